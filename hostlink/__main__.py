"""`python -m hostlink`: the same as the `hostlink` command."""

from hostlink.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
