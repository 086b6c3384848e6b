"""What can go wrong between hostlink and VPP, by who must act.

Every failure of the session is a `VppError`; the class says whose move it is, the text says it to a person. None of
them is retried in here: whether another try makes sense is `retry`, and when is the daemon's decision.

| error | who must act | retry |
| --- | --- | --- |
| VppUnreachable | the operator: VPP does not run, or its socket is elsewhere | yes |
| VppGone | nobody: VPP died or closed the socket; everything in it is lost | yes |
| VppTimeout | the operator, when it stays: VPP hangs or is far too busy; what was asked may have happened | yes |
| VppRefused | whoever asked: VPP is well and said no | no |
| ContractError | the operator: this VPP is not one that hostlink knows how to talk to | no |
| VppProtocolError | VPP, or whatever answers on that socket: what came is no VPP answer | no |
| VppBadRequest | hostlink: a bug, the request cannot be packed; nothing of it was sent | no |
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, ParamSpec, TypeVar

from hostlink.vpp.retvals import word_for

P = ParamSpec("P")
T = TypeVar("T")

_LONGEST_FIELDS_TEXT = 300

SENSELESS = (LookupError, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError, struct.error)
"""What readers of VPP's bytes, ours and vpp_papi's, end with where those make no sense; no class of its own covers
them."""


class VppError(Exception):
    """Anything that goes wrong with VPP. `retry`: whether the same thing may succeed later, unchanged."""

    retry: ClassVar[bool] = False


class VppUnreachable(VppError):
    """No VPP answers at the socket: absent, refused, or not permitted."""

    retry = True


class VppGone(VppError):
    """VPP ended, or closed the session. All that was configured in it must be taken for lost."""

    retry = True


class VppTimeout(VppError):
    """No answer within the deadline. The request may or may not have been carried out: look before asking again."""

    retry = True


class VppProtocolError(VppError):
    """What came over the socket cannot be an answer of VPP: bad frame, unknown message, reply of another kind."""


class VppBadRequest(VppError):
    """A request that cannot be packed: an unknown field, a wrong type, too long a name. Nothing was sent."""


class VppRefused(VppError):
    """VPP answered with a non-zero retval.

    message: the request's name · fields: what it said · retval: VPP's number · word: VPP's own word for the number
    (vnet/error.h), "unknown" for one that hostlink's table lacks.
    """

    def __init__(self, message: str, fields: Mapping[str, Any], retval: int) -> None:
        self.message = message
        self.fields = dict(fields)
        self.retval = retval
        self.word = word_for(retval)
        super().__init__(message, fields, retval)

    def __str__(self) -> str:
        return f"VPP refused {self.message}({_shown(self.fields)}): {self.retval} ({self.word})"


@dataclass(frozen=True, slots=True)
class Missing:
    """One message that this VPP has not, or has with another definition (`found_crc`)."""

    message: str
    expected_crc: str
    found_crc: str | None = None

    def __str__(self) -> str:
        if self.found_crc is None:
            return f"{self.message} is missing"
        return f"{self.message} has CRC {self.found_crc}, expected {self.expected_crc}"


class ContractError(VppError):
    """This VPP lacks messages that hostlink uses, or defines them otherwise. `missing` names all of them at once."""

    def __init__(self, missing: tuple[Missing, ...]) -> None:
        self.missing = missing
        super().__init__(missing)

    def __str__(self) -> str:
        listed = "; ".join(str(one) for one in self.missing)
        return (
            f"this VPP does not speak the API that hostlink needs (24.10 to 26.06, with the plugins it uses): {listed}"
        )


@contextmanager
def understanding(what: str) -> Iterator[None]:
    """For whatever makes values of VPP's messages: all that it may fail with there is one error, VppProtocolError."""
    try:
        yield
    except SENSELESS as fault:
        raise VppProtocolError(f"{what}: what VPP answers makes no sense: {fault!r}"[:300]) from fault


def understood(read: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """The same as a decorator, for a function that asks VPP and makes values of the answers."""

    @functools.wraps(read)
    async def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
        with understanding(read.__name__):
            return await read(*args, **kwargs)

    return guarded


def _shown(fields: Mapping[str, Any]) -> str:
    text = ", ".join(f"{name}={value!r}" for name, value in fields.items())
    return text if len(text) <= _LONGEST_FIELDS_TEXT else f"{text[:_LONGEST_FIELDS_TEXT]} …"
