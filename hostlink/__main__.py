"""`python -m hostlink`: the same as the `hostlink` command."""

from hostlink.cli import entry

if __name__ == "__main__":
    entry()
