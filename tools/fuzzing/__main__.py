"""`python -m tools.fuzzing`: the same as `tools/fuzz`."""

import sys

from tools.fuzzing.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
