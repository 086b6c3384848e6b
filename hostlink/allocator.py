"""What Python frees, given back to the kernel: by its defaults glibc keeps it (mallopt(3)).

The dictionaries of a full table are tens of megabytes each, made anew by each whole look. With the first one that is
freed glibc begins to take such sizes from its heap, and with each thread from one of its own, where they leave holes:
at 100,000 routes 15 MB more, and a tenth more CPU (measured, glibc 2.36).
"""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""malloc.h"""
_LARGE_BYTES = 256 << 10
"""More than that is a mapping of its own, which ends when it is freed: what is smaller Python pools itself, mostly."""


def keep_little() -> bool:
    """From here on. False: this C library has no such settings (musl needs none)."""
    settings = ((_M_MMAP_THRESHOLD, _LARGE_BYTES), (_M_TRIM_THRESHOLD, _LARGE_BYTES), (_M_ARENA_MAX, 1))
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all(mallopt(name, value) == 1 for name, value in settings)
