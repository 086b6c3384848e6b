"""What the kernel's side can fail with, typed by who must act.

`KernelRefused`: the kernel said no to one named thing; it may be asked again. `KernelError` and the others: the answer
could not be had at all. All of them read as one sentence, for a person.
"""

from __future__ import annotations

import errno as numbers
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager


class KernelError(Exception):
    """Anything that the kernel's side fails with."""


class KernelRefused(KernelError):
    """The kernel refused one operation.

    `operation` is a phrase ("rename eth0 to eth1"), `errno` the positive number, `detail` what the kernel said with it
    (netlink extended ACK) or what hostlink knows about the reason; may be empty.
    """

    def __init__(self, operation: str, errno: int, detail: str = "") -> None:
        self.operation = operation
        self.errno = errno
        self.detail = detail
        super().__init__(operation, errno, detail)

    @property
    def word(self) -> str:
        """The errno's name: `EEXIST`."""
        return numbers.errorcode.get(self.errno, str(self.errno))

    def __str__(self) -> str:
        reason = self.detail or os.strerror(self.errno)
        return f"the kernel refused to {self.operation}: {self.word} ({reason})"

    @classmethod
    def of(cls, operation: str, error: OSError) -> KernelRefused:
        """The same, from a system call that failed."""
        return cls(operation, error.errno or numbers.EIO)


class AnswersLost(KernelError):
    """The socket overflowed while answers were awaited: what was asked may or may not have happened. Look again."""


class ReadUnsteady(KernelError):
    """What was being read changed during every attempt at it, so no whole picture could be had. Look again later."""


class NoSuchNamespace(KernelError):
    """The network namespace is not there, or what is there is not one."""


class Unreadable(KernelError):
    """A message that is not built as the kernel's headers say. Nothing is known of what it is about: look again."""


_FAULTS = (LookupError, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError, struct.error)
"""What readers of bytes, ours and pyroute2's, end with where the bytes are not what they should be."""


@contextmanager
def reading(what: str) -> Iterator[None]:
    """For whatever makes values of netlink messages, as a block or a decorator: all that it may fail with there is one
    error, Unreadable. `what`: a phrase, "the links"."""
    try:
        yield
    except _FAULTS as fault:
        raise Unreadable(f"{what} cannot be made of these bytes: {fault!r}"[:300]) from fault
