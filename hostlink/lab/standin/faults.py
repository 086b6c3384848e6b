"""Faults on purpose, for tests only: requests that fail, go unanswered or kill the process, and messages left out.

Environment of the stand-in's process (a lab's, never a node's):

    HOSTLINK_STANDIN_FAIL     "message_name[:n]=what", several separated by commas: the n-th request of that name since
                              the start (default 1) is not carried out; `what` is the retval to answer with, `drop` for
                              no answer, or `die`: the process ends at it, as by SIGKILL. `kill`: it is carried out,
                              and then every client that wants interface events is killed (its word for its pid).
                              Carried out and answered as no VPP does (lies.py): `short` by a byte, `huge` by its
                              frame's header, `twice`, with an `unknown` message number, `late` (behind what is
                              answered next), `endless` (the first of it again and again)
    HOSTLINK_STANDIN_WITHOUT  "name,name": these messages (and their replies) are not in the message table or the JSON
    HOSTLINK_STANDIN_RELEASE  what it says that it is, "26.06" by default; one before 26.02 dies of what those die of
    HOSTLINK_STANDIN_TRACE    a file to which the name of each request is appended, one a line
    HOSTLINK_STANDIN_NEIGHBOUR_AGE_S
                              seconds after which a learnt neighbour that was not confirmed is forgotten; as in a VPP
                              that nobody told otherwise, the default is never
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from hostlink.lab.standin.lies import LIES

RELEASE = "26.06"


class BadFaultError(Exception):
    """An environment variable that is not in the form above; says which part."""


@dataclass(frozen=True, slots=True)
class Fault:
    action: str
    """`retval`, or one of ACTIONS."""
    retval: int = 0

    @property
    def is_carried_out(self) -> bool:
        return self.action not in ("retval", "drop")


ACTIONS = ("drop", "die", "kill", "late", "endless", *LIES)


def _parse(text: str) -> dict[tuple[str, int], Fault]:
    faults: dict[tuple[str, int], Fault] = {}
    for part in filter(None, text.split(",")):
        where, equals, what = part.partition("=")
        name, _, count = where.partition(":")
        if not equals or (count and not count.isdigit()):
            raise BadFaultError(f"HOSTLINK_STANDIN_FAIL: {part!r} is not message_name[:n]=retval|{'|'.join(ACTIONS)}")
        if what in ACTIONS:
            fault = Fault(what)
        else:
            try:
                fault = Fault("retval", int(what))
            except ValueError:
                raise BadFaultError(
                    f"HOSTLINK_STANDIN_FAIL: {what!r} is neither a number nor one of {', '.join(ACTIONS)}"
                ) from None
        faults[(name, int(count or 1))] = fault
    return faults


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        raise BadFaultError(f"HOSTLINK_STANDIN_NEIGHBOUR_AGE_S: {text!r} is not a number of seconds") from None


class Faults:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._faults = _parse(environment.get("HOSTLINK_STANDIN_FAIL", ""))
        self._trace = environment.get("HOSTLINK_STANDIN_TRACE")
        self.release = environment.get("HOSTLINK_STANDIN_RELEASE", RELEASE)
        self.neighbour_age_s = _seconds(environment.get("HOSTLINK_STANDIN_NEIGHBOUR_AGE_S"))
        """None for never."""
        self._seen: Counter[str] = Counter()
        left_out = filter(None, environment.get("HOSTLINK_STANDIN_WITHOUT", "").split(","))
        self.without = frozenset(name for left in left_out for name in (left, f"{left}_reply"))

    def next(self, name: str) -> Fault | None:
        """What is to happen to this request; counts and traces it."""
        self._seen[name] += 1
        if self._trace:
            with open(self._trace, "a", encoding="ascii") as trace:
                trace.write(name + "\n")
        fault = self._faults.get((name, self._seen[name]))
        if fault is not None and fault.action == "die":
            os._exit(137)
        return fault
