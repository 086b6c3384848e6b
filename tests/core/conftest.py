"""Lets the tests of core import the helpers that lie beside them (machine_driver, fake_vpp, fake_host, wishes)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
