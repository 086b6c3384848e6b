"""Runs a tc program on one frame, without any device: BPF_PROG_TEST_RUN (Documentation/bpf/bpf_prog_run.rst)."""

from __future__ import annotations

import ctypes
import os
import struct

from hostlink.kernel.bpf.load import _SYSTEM_CALL, loaded

_PROG_TEST_RUN = 10
_ATTRIBUTES = struct.Struct("=IIIIQQIIIIQQIII")
_CONTEXT = struct.Struct("=III180x")
"""struct __sk_buff up to and with `mark`, and the rest of it as zeros."""
_libc = ctypes.CDLL(None, use_errno=True)


def run(program: bytes, frame: bytes, *, mark: int = 0) -> tuple[int, bytes, int]:
    """(verdict, the frame afterwards, the mark afterwards). The frame comes in on a loopback device: MAC all zeros."""
    frame_in = ctypes.create_string_buffer(frame, len(frame))
    frame_out = ctypes.create_string_buffer(4096)
    context_in = ctypes.create_string_buffer(_CONTEXT.pack(0, 0, mark), _CONTEXT.size)
    context_out = ctypes.create_string_buffer(_CONTEXT.size)
    with loaded("test", program) as descriptor:
        attributes = _ATTRIBUTES.pack(
            descriptor,
            0,
            len(frame),
            len(frame_out),
            ctypes.addressof(frame_in),
            ctypes.addressof(frame_out),
            1,
            0,
            _CONTEXT.size,
            _CONTEXT.size,
            ctypes.addressof(context_in),
            ctypes.addressof(context_out),
            0,
            0,
            0,
        )
        buffer = ctypes.create_string_buffer(attributes, len(attributes))
        if _libc.syscall(_SYSTEM_CALL[os.uname().machine], _PROG_TEST_RUN, buffer, len(attributes)) < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        _, verdict, _, size, *_ = _ATTRIBUTES.unpack(buffer.raw)
        return verdict, frame_out.raw[:size], _CONTEXT.unpack(context_out.raw)[2]
