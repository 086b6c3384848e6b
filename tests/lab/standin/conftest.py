"""The steps that are recorded from a real VPP are also how the tests here speak to the stand-in."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))
