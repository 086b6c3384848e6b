"""An assembler for the few eBPF instructions that hostlink's tc programs need.

A program is written forwards, with names for the places that it jumps to; `assembled` puts the distances in. The
instruction set is Documentation/bpf/standardization/instruction-set.rst of the kernel; numbers are 32 bits wide, as
they are in frames, and comparisons are of 32 bits (Linux 5.1). Frames are read with the packet
access instructions (BPF_ABS and BPF_IND): they yield host byte order, reach every part of a frame wherever the kernel
keeps it, and end the program with 0 (TC_ACT_OK: the frame goes its ordinary way) where a frame is too short.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

_INSTRUCTION = struct.Struct("=BBhi")

# Registers. The packet access instructions want the context in R6, answer in R0 and spoil R1 to R5.
R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, FRAME = range(11)

BYTE, HALF, WORD = 0x10, 0x08, 0x00
"""Sizes, as the instructions encode them."""

_MEM, _ABS, _IND = 0x60, 0x20, 0x40
_LD, _LDX, _ST, _STX, _ALU32, _JMP, _JMP32, _ALU64 = range(8)
_IMMEDIATE, _REGISTER = 0x00, 0x08
_MOV, _ADD, _AND, _OR, _LSH = 0xB0, 0x00, 0x50, 0x40, 0x60
_JA, _JEQ, _JSET, _JNE, _CALL, _EXIT = 0x00, 0x10, 0x40, 0x50, 0x80, 0x90
_TO_BIG_ENDIAN = 0xDC


@dataclass(slots=True)
class Assembler:
    """Collects instructions. Every method appends one; `label` names the place where the next one goes."""

    _code: list[tuple[int, int, int, int]] = field(default_factory=list)
    _jumps: list[tuple[int, str]] = field(default_factory=list)
    _labels: dict[str, int] = field(default_factory=dict)

    def label(self, name: str) -> None:
        if name in self._labels:
            raise ValueError(f"the label {name} is there twice")
        self._labels[name] = len(self._code)

    def assembled(self) -> bytes:
        """The program. Raises ValueError for a jump to a label that is not there, or backwards."""
        code = list(self._code)
        for position, name in self._jumps:
            distance = self._labels.get(name, -1) - position - 1
            if distance < 0:
                raise ValueError(f"the jump at {position} to {name} leads nowhere, or back")
            opcode, registers, _, value = code[position]
            code[position] = (opcode, registers, distance, value)
        return b"".join(_INSTRUCTION.pack(*instruction) for instruction in code)

    # -------------------------------------------------------------------------------------------------- loads, stores

    def load(self, size: int, offset: int) -> None:
        """R0 = that many bytes of the frame, in host order."""
        self._put(_LD | _ABS | size, 0, 0, 0, offset)

    def load_indexed(self, size: int, base: int, offset: int) -> None:
        """R0 = bytes of the frame at `base` (a register) + offset."""
        self._put(_LD | _IND | size, 0, base, 0, offset)

    def context(self, target: int, offset: int) -> None:
        """target = the 32-bit field of struct __sk_buff at that offset (linux/bpf.h)."""
        self._put(_LDX | _MEM | WORD, target, R6, offset, 0)

    def set_context(self, offset: int, value: int) -> None:
        """Write a field of struct __sk_buff. Spoils R1."""
        self.move(R1, value)
        self._put(_STX | _MEM | WORD, R6, R1, offset, 0)

    def store_immediate(self, size: int, offset: int, value: int) -> None:
        """Write to the stack, at FRAME + offset (offset < 0)."""
        self._put(_ST | _MEM | size, FRAME, 0, offset, value)

    def store_register(self, size: int, offset: int, source: int) -> None:
        """Write a register to the stack, at FRAME + offset."""
        self._put(_STX | _MEM | size, FRAME, source, offset, 0)

    # ------------------------------------------------------------------------------------------------------ arithmetic

    def move(self, target: int, value: int) -> None:
        self._put(_ALU32 | _IMMEDIATE | _MOV, target, 0, 0, value)

    def copy(self, target: int, source: int) -> None:
        self._put(_ALU64 | _REGISTER | _MOV, target, source, 0, 0)

    def add(self, target: int, value: int) -> None:
        self._put(_ALU64 | _IMMEDIATE | _ADD, target, 0, 0, value)

    def mask(self, target: int, value: int) -> None:
        self._put(_ALU32 | _IMMEDIATE | _AND, target, 0, 0, value)

    def shift_left(self, target: int, bits: int) -> None:
        self._put(_ALU32 | _IMMEDIATE | _LSH, target, 0, 0, bits)

    def combine(self, target: int, source: int) -> None:
        """target |= source."""
        self._put(_ALU32 | _REGISTER | _OR, target, source, 0, 0)

    def network_half(self, target: int) -> None:
        """The low 16 bits from host to network order."""
        self._put(_TO_BIG_ENDIAN, target, 0, 0, 16)

    # ----------------------------------------------------------------------------------------------------------- jumps

    def jump(self, label: str) -> None:
        self._jumps.append((len(self._code), label))
        self._put(_JMP | _JA, 0, 0, 0, 0)

    def jump_equal(self, register: int, value: int, label: str) -> None:
        self._jump(_JEQ, register, value, label)

    def jump_unequal(self, register: int, value: int, label: str) -> None:
        self._jump(_JNE, register, value, label)

    def jump_any_bit(self, register: int, bits: int, label: str) -> None:
        self._jump(_JSET, register, bits, label)

    def jump_same(self, register: int, other: int, label: str) -> None:
        """Where two registers are equal."""
        self._jumps.append((len(self._code), label))
        self._put(_JMP32 | _REGISTER | _JEQ, register, other, 0, 0)

    def call(self, helper: int) -> None:
        """A helper function of the kernel: arguments in R1 to R5, answer in R0."""
        self._put(_JMP | _CALL, 0, 0, 0, helper)

    def leave(self, verdict: int) -> None:
        """End the program with that value."""
        self.move(R0, verdict)
        self.leave_with_r0()

    def leave_with_r0(self) -> None:
        self._put(_JMP | _EXIT, 0, 0, 0, 0)

    # ------------------------------------------------------------------------------------------------------------ inner

    def _jump(self, operation: int, register: int, value: int, label: str) -> None:
        self._jumps.append((len(self._code), label))
        self._put(_JMP32 | _IMMEDIATE | operation, register, 0, 0, value)

    def _put(self, opcode: int, target: int, source: int, offset: int, value: int) -> None:
        self._code.append((opcode, source << 4 | target, offset, _signed(value)))


def _signed(value: int) -> int:
    """A 32-bit pattern as the instruction holds it."""
    return value - (1 << 32) if value >= 1 << 31 else value
