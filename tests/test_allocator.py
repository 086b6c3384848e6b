"""Large blocks that were freed are the kernel's again, although another of that size was freed before."""

import subprocess
import sys

import pytest

from hostlink.allocator import keep_little

MEASURE = """
import sys
from hostlink.allocator import keep_little
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 >> 20
if "settled" in sys.argv:
    assert keep_little()
bytearray(b"x") * (30 << 20)          # freed at once: glibc's threshold is 30 MB now
blocks = [bytearray(b"x") * (1 << 20) for _ in range(64)]
full, last = resident(), blocks.pop()  # the last one lies on top of the heap
blocks.clear()
print(full - resident())
"""


@pytest.mark.skipif(not keep_little(), reason="this C library has no mallopt")
def test_what_is_freed_is_given_back() -> None:
    def freed_mib(*how: str) -> int:
        done = subprocess.run([sys.executable, "-c", MEASURE, *how], capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert freed_mib("settled") >= 55
    assert freed_mib() < 20, "else there is nothing to settle"
