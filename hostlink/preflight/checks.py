"""The checks: each either well, with a word about what was found, or with all the problems that stand in its place.

They are the daemon's own (steps/inspect.py, vpp_watch.py), asked through a VPP session that makes nothing, and those of
preflight alone: vhost-net, the driver's needs, MTU, holds, and who manages the NIC. Nothing is changed, on the host, in
VPP or on disk, with a daemon beside it or without one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hostlink import held
from hostlink.config import Config
from hostlink.core.model import Link, Problem
from hostlink.daemon import assign
from hostlink.journal import JournalError, Takeover
from hostlink.kernel.nic import read_driver
from hostlink.kernel.privilege import missing_capabilities
from hostlink.node import earlier_takeovers, open_node
from hostlink.preflight.files import read_file
from hostlink.preflight.interface import Finding, host_interface, id_path, nic_interface
from hostlink.preflight.managers import look
from hostlink.problems import REGISTER, problem
from hostlink.problems.record import Severity
from hostlink.steps.claims import claimed
from hostlink.steps.context import Node, Uplink, VppLife, one_failure
from hostlink.steps.inspect import before_takeover, find_uplink
from hostlink.vpp.dataplane import read_only
from hostlink.vpp.drivers import DRIVERS
from hostlink.vpp.errors import VppError
from hostlink.vpp.session import open_session
from hostlink.vpp_watch import namespace_obstacles, vpp_deadline_s, who_answers

VPP = ("HL-201", "HL-202", "HL-203", "HL-204")
IPV6_LEAST_BYTES = 1280
NODE, RIGHTS, REACHED = "node", "rights", "VPP"


@dataclass(frozen=True, slots=True)
class Check:
    """One question and its answer. No problems: it is well."""

    about: str
    """`node`, or the uplink's name."""
    subject: str
    said: str
    """What was found; of no interest where there are problems."""
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class _Nic:
    """An uplink's NIC, as it is or as the journal has it."""

    link: Link
    driver: str | None
    pci_address: str | None


_ASKED = (
    ("uplink", ("HL-103", "HL-104", "HL-105", "HL-106", "HL-108", "HL-109"), "stands alone, up, with an address"),
    ("names", ("HL-110",), "what hostlink makes has free names, on the host and in VPP's namespace"),
    ("what comes back", ("HL-116",), "everything on it comes back at a give-back"),
    ("listeners", ("HL-115",), "no program has a packet socket on it"),
)
"""(subject, the codes that speak of it, what is said where there are none) of the daemon's own look at the NIC."""
_ASKED_OF_VPP = (
    ("room in VPP", ("HL-206", "HL-207", "HL-208"), "nobody else's interface or punt redirect is in the way"),
)


def is_fit(checks: Sequence[Check]) -> bool:
    """Whether nothing stands against a takeover: no error."""
    return not any(REGISTER[one.code].severity is Severity.ERROR for check in checks for one in check.problems)


async def preflight(config: Config, root: Path = Path("/")) -> tuple[Check, ...]:
    """Everything at once. root: where the network managers' files are. Raises KernelError."""
    missing = missing_capabilities()
    if missing:
        text = f"{', '.join(missing)} missing; the rest takes them, and was not looked at"
        return (Check(NODE, RIGHTS, "", (problem("HL-101", text),)),)
    async with open_node(config) as node:
        return (Check(NODE, RIGHTS, "all capabilities that hostlink needs"), *await _with_vpp(node, root))


async def _with_vpp(node: Node, root: Path) -> list[Check]:
    """All but the rights, with VPP where it answers."""
    try:
        async with open_session(os.fspath(node.config.vpp.api_socket), deadline_s=vpp_deadline_s(node)) as session:
            with one_failure():
                node.vpp = await who_answers(node, session, read_only)
                return await _all(node, root)
    except VppError as error:  # it does not answer, or died over a question: then what can be told without it
        node.vpp = VppLife(last_error=str(error))
    return await _all(node, root)


async def _all(node: Node, root: Path) -> list[Check]:
    found, takeovers = await _node_checks(node), dict[int, Takeover]()
    try:
        earlier = earlier_takeovers(node.config)
        takeovers = assign(node.config, earlier)
        found += _nobodys(one for one in earlier if one not in takeovers.values())
    except JournalError as error:
        found.append(Check(NODE, "journal", "", (error.problem,)))
    for number in range(len(node.config.uplinks)):
        found += await _uplink_checks(node, number, takeovers.get(number), root)
    return found


async def _node_checks(node: Node) -> list[Check]:
    config = node.config.vpp
    obstacles = node.vpp.obstacles
    if node.vpp.dataplane is None and not obstacles:
        obstacles = (_silent(node), *namespace_obstacles(node, None))
    found = [
        Check(NODE, REACHED, f"{node.vpp.version} in namespace {config.namespace}; it has every message", obstacles)
    ]
    if node.vpp.dataplane is not None and not obstacles:
        found.append(Check(NODE, "what VPP keeps", "no protocol, port or ICMP error", await claimed(node)))
    return found


def _nobodys(takeovers: Iterable[Takeover]) -> Iterator[Check]:
    """Over these a daemon would not start."""
    for takeover in takeovers:
        yield Check(
            NODE, "journal", "", (problem("HL-124", f"{takeover.capture.uplink} is taken over by the journal"),)
        )


def _silent(node: Node) -> Problem:
    where, why = str(node.config.vpp.api_socket), node.vpp.last_error or ""
    return problem("HL-201", why if where in why else f"{where}: {why}")


async def _uplink_checks(node: Node, number: int, takeover: Takeover | None, root: Path) -> list[Check]:
    config = node.config.uplinks[number]
    uplink = Uplink(node, config, number, config.match.name or str(config.match))
    if takeover is not None:
        uplink.name = takeover.capture.uplink
        view = takeover.capture.view
        there = [Check(uplink.name, "uplink", f"is taken over already ({takeover.phase.value}), by the journal")]
        return [*there, *_own_checks(uplink, _Nic(view.link, view.driver, view.pci_address), root)]
    link = await find_uplink(uplink)
    if link is not None and not uplink.claim(link):
        text = f"{config.match} means {link.name}, which another [[uplink]] of the configuration means too"
        return [Check(uplink.name, "uplink", "", (problem("HL-113", text),))]
    found = [*_asked(uplink, await _daemons_look(uplink, link), is_there=link is not None)]
    nic = None if link is None else _Nic(link, *read_driver(node.host.namespace_fd, link.name))
    return [*found, *_own_checks(uplink, nic, root)]


async def _daemons_look(uplink: Uplink, link: Link | None) -> list[Problem]:
    """What Detecting would find now, but for what is said of the node as a whole."""
    facts = await before_takeover(uplink, link)
    return [one for one in (*facts.obstacles, *facts.notes, *uplink.problems) if one.code not in VPP]


def _asked(uplink: Uplink, found: Sequence[Problem], *, is_there: bool) -> Iterator[Check]:
    """What the daemon's look has found, by subject; what has none of its own stands with the uplink."""
    if not is_there:
        yield Check(uplink.name, "uplink", "", tuple(one for one in found if one.code == "HL-102"))
    asked = [*(_ASKED if is_there else ()), *(_ASKED_OF_VPP if uplink.node.vpp.dataplane is not None else ())]
    named = {code for _, codes, _ in (*_ASKED, *_ASKED_OF_VPP) for code in codes} | {"HL-102", "HL-111", "HL-114"}
    for subject, codes, said in asked:
        of_it = (one for one in found if one.code in codes or (subject == "uplink" and one.code not in named))
        yield Check(uplink.name, subject, said, tuple(of_it))
    if is_there:
        bypass = tuple(one for one in found if one.code == "HL-114")
        yield Check(uplink.name, "bypass", "the kernel takes its programs", bypass)
        yield Check(uplink.name, "ACD", "address conflict probes go around VPP: no proxy ARP answers them", bypass)


def _own_checks(uplink: Uplink, nic: _Nic | None, root: Path) -> list[Check]:
    """What the daemon does not ask."""
    found = [_host_link(uplink), _driver(uplink), _hold(uplink)]
    if nic is not None:
        found += [_mtu(uplink, nic.link), *_managers(uplink, nic, root)]
    return found


def _host_link(uplink: Uplink) -> Check:
    if uplink.config.host_link != "tap":
        return Check(uplink.name, "host link", f"{uplink.config.host_link}, which needs no vhost-net")
    wanted = {
        "/dev/net/tun": Path("/dev/net/tun"),
        "/dev/vhost-net, for VPP": _as_vpp_sees(uplink.node, "/dev/vhost-net"),
    }
    absent = [name for name, path in wanted.items() if not path.exists()]
    problems = tuple(problem("HL-111", f"there is no {name}") for name in absent)
    return Check(uplink.name, "host link", "tap; /dev/net/tun and /dev/vhost-net are there", problems)


def _as_vpp_sees(node: Node, path: str) -> Path:
    """VPP may be in a container of its own."""
    seen = Path(f"/proc/{node.vpp.pid}/root")
    return seen / path.lstrip("/") if node.vpp.pid is not None and seen.exists() else Path(path)


def _driver(uplink: Uplink) -> Check:
    needs = ", ".join(DRIVERS[uplink.config.driver].needs) or "no hugepages, no IOMMU, no vfio"
    return Check(uplink.name, "driver", f"{uplink.config.driver} needs {needs}")


def _hold(uplink: Uplink) -> Check:
    config = uplink.node.config
    others = [other.match for number, other in enumerate(config.uplinks) if number != uplink.number]
    hold = held.of_match(uplink.config.match, held.read_all(config.paths.journal), others)
    stands = () if hold is None else (problem("HL-123", hold.reason),)
    return Check(uplink.name, "hold", "none stands", stands)


def _mtu(uplink: Uplink, link: Link) -> Check:
    cluster = uplink.node.config.cluster
    prefixes = (*cluster.service_cidrs, *cluster.pod_cidrs)
    inner = link.mtu_bytes - cluster.encap_overhead
    said = f"{link.mtu_bytes}, which the host's interface and VPP get too"
    said += f"; {inner} towards the cluster" if prefixes else ""
    if inner >= IPV6_LEAST_BYTES or not any(prefix.version == 6 for prefix in prefixes):
        return Check(uplink.name, "MTU", said)
    text = f"{link.name} has {link.mtu_bytes}: {inner} less the encapsulation's {cluster.encap_overhead}"
    return Check(uplink.name, "MTU", said, (problem("HL-122", text),))


def _managers(uplink: Uplink, nic: _Nic, root: Path) -> Iterator[Check]:
    path = id_path(read_file(root, f"/run/udev/data/n{nic.link.index}").text, nic.pci_address)
    now = nic_interface(nic.link, nic.driver, path)
    then = host_interface(nic.link, uplink.config.host_link)
    names, findings = look(root, now, then)
    yield Check(
        uplink.name, "managed by", ", ".join(names) or "nobody that is known here (networkd, NetworkManager, ifupdown)"
    )
    fitting, keeping = ("HL-117", "HL-118", "HL-119"), ("HL-120", "HL-121")
    yield Check(uplink.name, "its files", "would do for the host's interface as well", _of(findings, fitting))
    yield Check(uplink.name, "name and MAC", "no file gives the host's interface others", _of(findings, keeping))


def _of(findings: Sequence[Finding], codes: Sequence[str]) -> tuple[Problem, ...]:
    return tuple(one for finding in findings for one in finding.problems if one.code in codes)
