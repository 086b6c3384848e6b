"""What the steps of one uplink work with, and what all uplinks of the node share."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import trio

from hostlink.clock import boottime_s
from hostlink.config import Config, UplinkConfig
from hostlink.core.alike import PackedRoutes, Place
from hostlink.core.desired_packed import Known
from hostlink.core.lifetimes import aged, lengthened
from hostlink.core.model import (
    HostView,
    Link,
    PolicyRule,
    Prefix,
    Problem,
    Route,
    VppRoute,
    VppShared,
    VppTable,
    VppUplink,
)
from hostlink.core.route_book import Key, RouteBook
from hostlink.fights import Fights
from hostlink.journal import Journal, JournalError, Takeover, journal_for
from hostlink.kernel.alike import Alikes
from hostlink.kernel.errors import KernelError
from hostlink.kernel.netlink import Netlink
from hostlink.kernel.seam import NO_FAULTS, Faults
from hostlink.kernel.tap import Keeper
from hostlink.problems import problem
from hostlink.progress import Work
from hostlink.steps.inbox import Inbox
from hostlink.steps.offload import in_thread
from hostlink.store import Store
from hostlink.vpp.compared import Compared
from hostlink.vpp.dataplane import Dataplane
from hostlink.vpp.errors import VppError, VppGone
from hostlink.vpp.tags import Ports

LOSSES_WITHIN_S = 600.0
KEEPER = "keeper-"
"""Before the uplink's name: what its keeper is called in the descriptor store."""


class StepError(Exception):
    """A step could not do its work; `problem` says it to the operator."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.code}: {problem.detail}")
        self.problem = problem


class CannotPutBack(StepError):
    """Something that somebody took away stays away: trying again in this round is of no use."""


def fail(code: str, detail: str) -> StepError:
    """Make the error for a registered problem."""
    return StepError(problem(code, detail))


EXPECTED = (StepError, JournalError, KernelError, VppError)
"""What may go wrong outside; anything else is a bug of ours."""


@contextmanager
def one_failure() -> Iterator[None]:
    """Raise one failure of a nursery as itself. A nursery makes a group even of one, which no `except VppError` meets.

    A bug goes before what was expected, so that it is not hidden. A group of nothing but cancellations stays one.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        failures = [leaf for leaf in _leaves(group) if isinstance(leaf, Exception)]
        if not failures:
            raise
        raise next((one for one in failures if not isinstance(one, EXPECTED)), failures[0]) from group


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for one in group.exceptions:
        if isinstance(one, BaseExceptionGroup):
            yield from _leaves(one)
        else:
            yield one


@dataclass(slots=True)
class VppLife:
    """What is known of the VPP at the other end of the API socket; the connector keeps it (vpp_watch.py)."""

    dataplane: Dataplane | None = None
    version: str | None = None
    pid: int | None = None
    obstacles: tuple[Problem, ...] = ()
    """Why this VPP cannot be used although it answers: contract, namespace."""
    since: float = 0.0
    """trio.current_time() when the session opened."""
    last_error: str | None = None
    """Why there is none, when there is none."""


@dataclass(slots=True)
class Node:
    """The node: one host, one VPP, one configuration."""

    config: Config
    host: Netlink
    """In the host's network namespace."""
    try_s: float | None = None
    """How long a person may take to confirm a takeover, where each is on trial (`hostlink run --try`)."""
    store: Store = field(default_factory=Store)
    """Where keepers lie for the next daemon."""
    faults: Faults = NO_FAULTS
    """Planned by the lab's failure matrix; none on a node."""
    vpp: VppLife = field(default_factory=VppLife)
    vpp_known: trio.Event = field(default_factory=trio.Event)
    """Set once the first try to reach VPP has ended, well or not."""
    claims: dict[str, int] = field(default_factory=dict)
    """Interface name → number of the uplink that means it."""
    losses: list[float] = field(default_factory=list)
    """trio.current_time() of each time that VPP was lost under a takeover."""
    overflows: int = 0
    """How often the kernel had to drop notifications for us."""
    doubted: trio.Event = field(default_factory=trio.Event)
    """Set by who got no answer in time: the session is opened anew, which shows whether VPP still answers (F53)."""
    contributions: dict[str, VppShared] = field(default_factory=dict)
    """What each uplink that is taken over needs of the shared objects."""
    shared_lock: trio.Lock = field(default_factory=trio.Lock)
    alikes: Alikes = field(default_factory=Alikes)
    """What the routes have in common that were read."""

    @property
    def host_namespace(self) -> str:
        """The host's network namespace in a way that VPP finds from any other one.

        Not `pid:<pid>`: that is the namespace of this process's main thread, which visits others for moments.
        """
        return f"/proc/{os.getpid()}/fd/{self.host.namespace_fd}"

    def losses_lately(self) -> int:
        """How often VPP was lost under a takeover within LOSSES_WITHIN_S."""
        now = trio.current_time()
        return sum(now - at < LOSSES_WITHIN_S for at in self.losses)

    def dataplane(self) -> Dataplane:
        """The living VPP. Raises VppGone where there is none."""
        if self.vpp.dataplane is None:
            raise VppGone("VPP is not there")
        return self.vpp.dataplane


@dataclass(slots=True)
class Uplink:
    """One uplink and what the daemon holds for it between steps. The journal is the truth; this is what is open."""

    node: Node
    config: UplinkConfig
    number: int
    name: str
    """Its name on the host; until it has been found, what the configuration calls it."""
    link_index: int | None = None
    """The ifindex that notifications are about: the NIC's, then the host link's. None until it is known."""
    pair_index: int | None = None
    """The ifindex of the bypass pair's end on the host, while there is one."""
    host_link_index: int | None = None
    """The host link's ifindex, once it carries the host's own state."""
    parked_indexes: frozenset[int] = frozenset()
    """The ifindexes in VPP's namespace that notifications are about: the NIC, the veth's inner end, the bypass's."""
    carrier: bool = True
    """Whether the NIC has a carrier, when it was last looked at: the host link follows it."""
    unfilled: bool = False
    """The host link was put back, or seen down, and not filled since: it lacks what it had, up again or not."""
    around: bool = False
    """The bypass is open: everything passes around VPP, which does not have its part yet (steps/bypass.py)."""
    ring_stuck: bool = False
    """VPP may have sent to the host link's inner end while that was down, which stops its transmit ring for good."""
    fights: Fights = field(default_factory=Fights)
    """What was put right against somebody."""
    takeover: Takeover | None = None
    ports: Ports = field(default_factory=Ports)
    keeper: Keeper | None = None
    mirrored: dict[str, int] = field(default_factory=dict)
    mirrored_view: HostView | None = None
    """The host's view that is true in VPP."""
    inbox: Inbox = field(default_factory=Inbox)
    """What the kernel has said since the last look."""
    whole_look_at: float = 0.0
    """When everything was looked at last, and brought over (trio.current_time())."""
    book: RouteBook | None = None
    """The routes of both sides, by which single changes are followed. None: everything must be looked at."""
    truth: RouteBook | None = None
    """The last book that was true, kept while everything is looked at, and until another life of VPP has its own."""
    wished: VppUplink | None = None
    """What VPP should have had by the last whole look: what differs from it is drift, and no change of the host's."""
    compared: Compared | None = None
    """How VPP's table 0 was when it was looked at last."""
    tables: frozenset[VppTable] = frozenset()
    """hostlink's tables in VPP that this uplink's routes need, as they were made and seen last."""
    taken_tables: Mapping[VppTable, str] = field(default_factory=dict)
    """The tables of VPP that are other clients', by name, by the last whole look."""
    rules: tuple[PolicyRule, ...] = ()
    """The host's policy rules by the last whole look."""
    unproved: bool = True
    """Everything was looked at, and Punting has not passed since. Where only routes were followed it has no work."""
    hidden: dict[tuple[int, Prefix], VppRoute] = field(default_factory=dict)
    """(VPP table, prefix) → the route of ours that lies behind another client's there."""
    unread: set[tuple[int, Prefix]] = field(default_factory=set)
    """(VPP table, prefix) that were followed and not yet read back."""
    unread_places: set[Place] = field(default_factory=set)
    """The same in VPP's table 0, of what is kept as packed destinations (core/alike.py)."""
    unread_since: float = 0.0
    """trio.current_time() of the oldest of both."""
    edits: dict[Key | Place, None] = field(default_factory=dict)
    """Prefixes that were followed and are not in the journal yet."""
    edited: trio.Event = field(default_factory=trio.Event)
    """Set while there are `edits`."""
    saving: trio.Lock = field(default_factory=trio.Lock)
    """Held while edits are written to the journal."""
    unsaved: bool = False
    """Edits could not be written: the journal is behind until it is written whole."""
    followed: RouteBook | None = None
    """The book that `edits` are in."""
    looked_at_s: float = 0.0
    """When the host's view was read last (boottime_s): what it and the book say of lifetimes is said of then."""
    behind: bool = False
    """`takeover`, in memory, has older routes than `followed`."""
    copies: frozenset[Route] = frozenset()
    """Routes of a DHCP client that this daemon put on the host link, and that are still there (core/leased.py)."""
    elsewhere: trio.Event = field(default_factory=trio.Event)
    """Set when an address or a link of the host has changed that is not the host link's (steps/elsewhere.py)."""
    told_anew: trio.Event = field(default_factory=trio.Event)
    """Set when `told` may have changed outside of a step."""
    progress_at: float = -math.inf
    """trio.current_time() when a step got on last."""
    work: Work = field(default_factory=Work)
    """What is being done, and how far: only to be shown."""
    agreed: bool = False
    """A person has confirmed the takeover."""
    on_trial: trio.Event = field(default_factory=trio.Event)
    """Set when a person's time to confirm has begun."""
    deaths: int | None = None
    """How many daemons before this one have died over its takeover while that was to be confirmed. None: not counted
    yet (steps/deaths.py)."""
    silent: bool = False
    """A probe failed when the path was looked at last."""
    told: dict[str, tuple[Problem, ...]] = field(default_factory=dict)
    """What an operator should know of the takeover, by subject; each is said anew by whoever looks at it."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All that is told now."""
        return tuple(problem for told in self.told.values() for problem in told)

    @property
    def journal(self) -> Journal:
        """Its journal. Only the name decides where."""
        return journal_for(self.node.config.paths.journal, self.name)

    @property
    def claimed(self) -> bool:
        """Whether its name is its own: two entries of the configuration may mean one NIC."""
        return self.node.claims.get(self.name) == self.number

    def claim(self, link: Link) -> bool:
        """Take the interface as this uplink's, unless another entry of the configuration has it."""
        if self.node.claims.setdefault(link.name, self.number) != self.number:
            return False
        self.name, self.link_index = link.name, link.index
        return True

    def hold_on(self, keeper: Keeper) -> None:
        """Keep the host link's carrier by that queue, also for the next daemon."""
        if self.keeper is not None:
            self.keeper.close()
        self.keeper = keeper
        self.node.store.put(f"{KEEPER}{self.name}", keeper.descriptor)

    def let_go(self) -> None:
        """Keep nothing any more, of an earlier daemon's neither. May be called again."""
        if self.keeper is not None:
            self.keeper.close()
            self.keeper = None
        self.node.store.drop(f"{KEEPER}{self.name}")

    def forget(self) -> None:
        """The takeover is over; nothing of it is remembered."""
        self.takeover, self.mirrored_view, self.ports = None, None, Ports()
        self.host_link_index, self.parked_indexes = None, frozenset()
        self.carrier, self.unfilled, self.around, self.ring_stuck = True, False, False, False
        self.copies, self.rules = frozenset(), ()
        self.silent, self.agreed = False, False
        self.tables, self.taken_tables = frozenset(), {}
        self.mirrored.clear()
        self.told.clear()
        self.hidden.clear()
        self._forget_edits()
        self.book, self.inbox, self.unproved = None, Inbox(), True
        self.truth, self.wished, self.compared = None, None, None

    def meet_vpp(self) -> None:
        """Another life of VPP, perhaps: numbers of interfaces and what was read there say nothing of it."""
        self.ports, self.ring_stuck = Ports(), False
        self.tables, self.taken_tables = frozenset(), {}
        for subject in ("tables", "taken"):
            self.told.pop(subject, None)
        self.hidden.clear()
        self.unread.clear()
        if self.book is not None or self.wished is not None:  # else it is of an earlier life already
            self.truth = self.book
        self.book, self.wished, self.unproved = None, None, True

    def as_known(self) -> Known | None:
        """The host's routes as they were last, and what they are in VPP. None: that is not known of all.

        Between two lives of VPP it is the last one's: what the host has been told since is not in it.
        """
        book = self.truth if self.book is None and self.wished is None else self.book
        return None if book is None else book.known()

    def held(self) -> Takeover:
        """The takeover, but for routes that were followed since it was written: for all that asks for no routes."""
        if self.takeover is None:
            raise RuntimeError(f"{self.name}: a step of a takeover without a journal")
        return self.takeover

    def caught_up(self) -> Takeover:
        """With the routes that were followed. Changes nothing, so it may be asked for beside the steps, on the loop."""
        takeover = self.held()
        if not self.behind or self.followed is None:
            return takeover
        routes = lengthened(self.followed.kept(), takeover.age_s(self.looked_at_s))
        return replace(takeover, last_good=replace(takeover.last_good, routes=routes))

    def taken(self) -> Takeover:
        """The takeover in the journal. Asked for only by steps that come after Capturing, and on the loop."""
        self.takeover, self.behind = self.caught_up(), False
        return self.takeover

    def left_of_last_good(self) -> HostView:
        """`last_good` as it would be by now: what is to be put back."""
        takeover = self.taken()
        return aged(takeover.last_good, takeover.age_s(boottime_s()))

    async def catch_up(self) -> None:
        """What `taken` would do at once, beside the loop: of many routes it is a second's work."""
        book = self.followed
        if not self.behind or book is None or self.takeover is None:
            return
        since_s = self.takeover.age_s(self.looked_at_s)
        routes = await in_thread(len(book), lambda: lengthened(book.kept(), since_s))
        last_good = replace(self.takeover.last_good, routes=routes)
        self.takeover, self.behind = replace(self.takeover, last_good=last_good), False

    async def remember_all(self, takeover: Takeover) -> None:
        """`remember`, beside the loop: of many routes it takes seconds. Raises JournalError."""
        async with self.saving:
            self.takeover = await in_thread(len(takeover.last_good.routes), self.journal.write, takeover)
            self._forget_edits()

    def remember(self, takeover: Takeover) -> None:
        """Write the journal; only then is it so. Raises JournalError."""
        self.takeover = self.journal.write(takeover)
        self._forget_edits()

    def note_edits(self, book: RouteBook, keys: Iterable[Key | Place]) -> None:
        """These prefixes were followed: to be journalled in a moment, by whoever waits for `edited`."""
        self.edits |= dict.fromkeys(keys)
        if self.edits:
            self.followed, self.behind = book, True
            self.edited.set()

    def _forget_edits(self) -> None:
        self.edits, self.unsaved, self.followed, self.behind = {}, False, None, False
        self.forget_unread()

    def forget_followed(self) -> None:
        """The book that was followed by, where the journal has all of it."""
        if not (self.edits or self.behind):
            self.followed = None

    async def forget_books(self) -> None:
        """That of the last look, where nobody needs it any more: of a full table another one is made now."""
        book = self.truth
        if book is None:
            self.compared = None
        if book is None or self.node.config.vpp.drift == "report":
            return
        self.truth, self.wished, self.compared = None, None, None
        if self.followed is not book and self.book is not book:
            await in_thread(len(book), book.crumble)

    def advanced(self, count: int = 0) -> None:
        """The running step has got on: said of work that has an end, and never of a try that is made again.

        count: of what `work` counts, so many more are done.

        But for one: a host link that cannot be read while it changes (steps/view.py).

        Where the machine's table says so (states/uplink.toml), the deadline runs anew from here.
        """
        self.progress_at = trio.current_time()
        if count:
            self.work.advance(count)

    def tell(self, subject: str, problems: tuple[Problem, ...]) -> None:
        """Tell at once what becomes known while a step runs, or that it is no more."""
        if self.told.get(subject, ()) != problems:
            self.told[subject] = problems
            self.told_anew.set()

    def note_unread(self, add: Iterable[VppRoute], delete: Iterable[VppRoute], packed: PackedRoutes) -> None:
        """VPP was told these: to be read back."""
        if not (self.unread or self.unread_places):
            self.unread_since = trio.current_time()
        self.unread.update((route.table_id, route.prefix) for route in (*add, *delete))
        self.unread_places.update(packed.places())

    def forget_unread(self) -> None:
        """It is read back now, or all of VPP is, or no book says what it should have."""
        self.unread, self.unread_places = set(), set()
