"""How VPP differs from what the host's view asks for: looked at, and nothing changed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from hostlink.core.desired import vpp_desired, vpp_interfaces
from hostlink.core.desired_packed import Known
from hostlink.core.desired_routes import Translator, translator_for
from hostlink.core.model import HostView, IPInterface, Problem, VppInterface, VppTable, VppUplink
from hostlink.core.operations import ChangeVppRoutes, EachOperation, VppOperation
from hostlink.core.places import PlaceMap
from hostlink.core.plan import plan_uplink
from hostlink.core.route_set import RouteSet
from hostlink.steps.context import Uplink, fail
from hostlink.steps.hidden import past_hidden
from hostlink.steps.offload import in_thread
from hostlink.steps.parked_nic import vpp_may_send
from hostlink.steps.tables import Uses, without_kept
from hostlink.vpp.compared import NOT_LISTED, Compared, Listed
from hostlink.vpp.quirks import may_answer_in_tables


class BothPorts(NamedTuple):
    """The two interfaces of a takeover in VPP, both there."""

    uplink: VppInterface
    host: VppInterface

    @property
    def numbers(self) -> frozenset[int]:
        """Their sw_if_index."""
        return frozenset(port.sw_if_index for port in self)


async def find_ports(uplink: Uplink) -> BothPorts:
    """Raises StepError where VPP lacks one. Raises VppError."""
    ports = await uplink.node.dataplane().find(uplink.name)
    if ports.uplink is None or ports.host is None:
        lost = "the NIC" if ports.uplink is None else "the interface towards the host"
        raise fail("HL-411", f"{uplink.name}: VPP has no interface with hostlink's tag any more for {lost}")
    return BothPorts(ports.uplink, ports.host)


Wish = Callable[[], tuple[VppUplink, tuple[Problem, ...]]]


def wish(
    uplink: Uplink, view: HostView, ports: BothPorts, taken: Collection[VppTable], known: Known | None = None
) -> Wish:
    """What says what VPP should have for that view, and what it cannot have.

    taken: VPP's tables that are other clients'. known: as `difference` has it.
    """
    return partial(
        vpp_desired,
        view,
        uplink_sw=ports.uplink.sw_if_index,
        host_sw=ports.host.sw_if_index,
        cluster=frozenset(uplink.held().owned),
        host_up=vpp_may_send(uplink),
        taken=taken,
        answers=may_answer_in_tables(uplink.node.vpp.version),
        known=known,
    )


def translator_of(
    uplink: Uplink, view: HostView, interfaces: Collection[IPInterface], uplink_sw: int, taken: Collection[VppTable]
) -> Translator:
    """By which the wish is made of that view's routes. interfaces: VPP's addresses then; taken: as `wish` has it."""
    answers = may_answer_in_tables(uplink.node.vpp.version)
    return translator_for(view, interfaces, uplink_sw, uplink.held().owned, taken, answers)


def listed(uplink: Uplink, known: Known | None) -> Listed:
    """In which order VPP listed what it had at the last look, by that one's translation."""
    compared = uplink.compared
    if known is None or known.changed is None or compared is None or compared.wanted is not known.sent:
        return NOT_LISTED
    return Listed(compared.wanted, compared.orders, known.changed)


@dataclass(frozen=True, slots=True)
class Difference:
    """Between a view of the host and VPP: what would be done, what VPP should have and has, and what it cannot have."""

    steps: tuple[VppOperation, ...]
    """What would be done; many routes at once are one step."""
    desired: VppUplink
    actual: VppUplink
    problems: tuple[Problem, ...]
    taken: Mapping[VppTable, str]
    """The tables of other clients, by name."""
    kept: Uses
    """Tables of hostlink's that nobody wants here, and others use."""
    compared: Compared
    """What `actual` was made of, in table 0."""
    translator: Translator
    """What `desired` has of routes was made by it."""

    @property
    def plan(self) -> EachOperation:
        """The steps, each route by itself."""
        return EachOperation(self.steps)

    def as_known(self, view: HostView) -> Known | None:
        """What need not be translated again of that view, whose difference it is. None: not all that is alike is so."""
        routes, sent = view.routes, self.desired.packed
        if not isinstance(routes, RouteSet) or not isinstance(sent, PlaceMap) or len(routes.alike) != len(sent):
            return None
        return Known(self.translator, routes, sent, self.desired.ways)


def let_go(compared: Compared, *steps: VppOperation) -> None:
    """Of what was found to be done, when that is over: of a full table some at a time. Not to be asked any more."""
    compared.forget_missing()
    for one in steps:
        if isinstance(one, ChangeVppRoutes):
            one.packed.let_go()


async def difference(
    uplink: Uplink, view: HostView, known: Known | None = None, compared: Compared | None = None
) -> Difference:
    """Looks, and changes nothing. Raises StepError, VppError.

    known: the last look's translation, of routes that are still the same. compared: what VPP had for it a moment ago.
    """
    dataplane = uplink.node.dataplane()
    ports = await find_ports(uplink)
    taken = await dataplane.taken_tables()
    uplink.advanced()
    interfaces = vpp_interfaces(view.addresses, view.routes)
    translator = translator_of(uplink, view, interfaces, ports.uplink.sw_if_index, taken.keys())
    desired, problems = await in_thread(len(view.routes), wish(uplink, view, ports, taken.keys(), known))
    uplink.advanced()
    if compared is None or not compared.is_of(desired.packed, ports.numbers):
        compared = await dataplane.compare(ports.numbers, desired.packed, uplink.advanced, listed(uplink, known))
    found = await dataplane.read_uplink(ports.uplink, ports.host, desired, uplink.advanced, compared)
    uplink.advanced()
    actual, uses = await without_kept(uplink, desired, found)
    plan = await in_thread(len(view.routes) + len(actual.routes) + len(actual.packed), plan_uplink, desired, actual)
    plan = await past_hidden(uplink, desired, plan)
    return Difference(plan, desired, actual, problems, taken, uses, compared, translator)
