"""Hands a program to the kernel's verifier: bpf(2), BPF_PROG_LOAD. The descriptor keeps it until something uses it."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from hostlink.kernel.errors import KernelRefused
from hostlink.kernel.seam import NO_FAULTS, Faults

_SYSTEM_CALL = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "ppc64le": 361, "s390x": 351}
_PROG_LOAD = 5
_SCHED_CLS = 3
"""BPF_PROG_TYPE_SCHED_CLS, include/uapi/linux/bpf.h."""
_ATTRIBUTES = struct.Struct("=IIQQIIQII16sI")
_LOG_BYTES = 1 << 16
_NAME_BYTES = 15
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def loaded(name: str, program: bytes, *, faults: Faults = NO_FAULTS) -> Iterator[int]:
    """The descriptor of the loaded program, for as long as the block lasts. tc keeps what it was given.

    Raises KernelRefused, with the end of the verifier's log where it was the verifier that refused.
    """
    operation = f"load the packet program {name}"
    faults.check("bpf.load", operation)
    descriptor = _load(name, program, operation)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _load(name: str, program: bytes, operation: str) -> int:
    number = _SYSTEM_CALL.get(platform.machine())
    if number is None:
        raise KernelRefused(operation, 38, f"hostlink does not know bpf(2) on {platform.machine()}")
    code, licence = ctypes.create_string_buffer(program, len(program)), ctypes.create_string_buffer(b"GPL")
    descriptor, error = _call(number, name, code, licence, None)
    if descriptor >= 0:
        return descriptor
    log = ctypes.create_string_buffer(_LOG_BYTES)
    _call(number, name, code, licence, log)  # once more, for the reason
    last = log.value.decode(errors="replace").strip().splitlines()[-3:]
    raise KernelRefused(operation, error, "; ".join(last))


def _call(
    number: int,
    name: str,
    code: ctypes.Array[ctypes.c_char],
    licence: ctypes.Array[ctypes.c_char],
    log: ctypes.Array[ctypes.c_char] | None,
) -> tuple[int, int]:
    """(descriptor or -1, errno)."""
    attributes = _ATTRIBUTES.pack(
        _SCHED_CLS,
        len(code) // 8,
        ctypes.addressof(code),
        ctypes.addressof(licence),
        0 if log is None else 1,
        0 if log is None else len(log),
        0 if log is None else ctypes.addressof(log),
        0,
        0,
        name.encode()[:_NAME_BYTES].replace(b"-", b"_"),
        0,
    )
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    result = _libc.syscall(number, _PROG_LOAD, buffer, len(attributes))
    if result < 0 or log is None:
        return result, ctypes.get_errno()
    os.close(result)
    return result, 0
