"""Lets the tests import the generator, which lies in tools/ and is not a part of hostlink."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
