"""What was said of one uplink since it was looked at last: the kernel's route messages, or that all must be looked at.

Route messages are few or many; more than the inbox holds are not worth keeping, because reading everything is cheaper
by then. So a storm fills no memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import trio

from hostlink.core.route_changes import Change

MOST = 200_000
"""Messages: some 20 MB. A routing daemon's full table comes faster than it is carried over."""


@dataclass(slots=True)
class Inbox:
    _of_host: bool = True
    """The kernel has said more than route messages tell, or nothing is known yet."""
    _of_vpp: bool = False
    """VPP has said that something changed there."""
    heard: int = 0
    """Route messages since the look before the last one was begun, kept or not: so many routes may have come."""
    _heard_since: int = 0
    """Of them those since the last one was begun."""
    _messages: list[Change] = field(default_factory=list)
    _filled: trio.Event = field(default_factory=trio.Event)

    @property
    def everything(self) -> bool:
        """Whether all must be looked at."""
        return self._of_host or self._of_vpp

    def routes(self, messages: Sequence[Change]) -> None:
        """Route messages to be followed, unless everything is looked at anyway."""
        self.heard += len(messages)
        self._heard_since += len(messages)
        if self._of_host:
            return
        if len(self._messages) + len(messages) > MOST:
            self.look_at_everything()
            return
        self._messages += messages
        self._filled.set()

    async def wait_more(self) -> None:
        """Until there are messages, or everything is to be looked at."""
        while not (self._messages or self.everything):
            self._filled = trio.Event()
            await self._filled.wait()

    def look_at_everything(self) -> None:
        """What is known is out of date in a way that no route message tells."""
        self._of_host = True
        self._messages.clear()
        self._filled.set()

    def look_at_vpp(self) -> None:
        """The same of what was read of VPP. What the kernel says is kept: it may be no look that answers this."""
        self._of_vpp = True
        self._filled.set()

    def begin_look(self) -> None:
        """Everything is being read now: what was said before is in it. What is said from here on is kept."""
        self._of_host = self._of_vpp = False
        self._messages.clear()
        self.heard, self._heard_since = self._heard_since, 0

    def begin_comparing(self) -> None:
        """VPP is being read now: what it said before is in it, as what is said of hostlink's own work."""
        self._of_vpp = False

    def take(self, most: int = MOST) -> list[Change]:
        """The first `most` messages, in their order; they are taken out."""
        taken, self._messages = self._messages[:most], self._messages[most:]
        return taken

    def __len__(self) -> int:
        return len(self._messages)
