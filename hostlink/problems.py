"""The register of everything that an operator can be told: one record for each problem, by a code that never changes.

A problem in the field is a `core.model.Problem`: a code and the detail of the case (which interface, which message).
What it means and what to do is written once, here. Codes are grouped: 1xx the host before a takeover, 2xx VPP before a
takeover, 3xx mirroring, 4xx steps and recovery, 5xx the journal. A code is never given to another problem.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from hostlink.core.model import Problem


class Severity(enum.Enum):
    """Whether somebody must act."""

    ERROR = "error"
    """hostlink does not do its work until somebody acts, or something comes back."""
    WARNING = "warning"
    """It works, and something is not as it should be."""
    NOTE = "note"
    """Worth knowing, for instance when something else is looked for."""


@dataclass(frozen=True, slots=True)
class Record:
    """A registered problem. `text` says what it means, `to_do` what a person can do about it."""

    code: str
    title: str
    severity: Severity
    text: str
    to_do: str
    depends_on: tuple[str, ...] = ()
    """Codes of problems that explain this one: while one of them shows, this one need not."""
    delay_s: float = 0.0
    """How long it must last before it is shown: what heals by itself in that time wakes nobody."""


class UnknownProblemError(LookupError):
    """Our bug, or a person's typing error: no problem has that code."""


def problem(code: str, detail: str) -> Problem:
    """A case of a registered problem. Raises UnknownProblemError for a code that is not in the register."""
    return Problem(explain(code).code, detail)


def explain(code: str) -> Record:
    """The record of a code, in any case of letters, with or without the `HL-`. Raises UnknownProblemError."""
    wanted = code.upper()
    wanted = wanted if wanted.startswith("HL-") else f"HL-{wanted}"
    if wanted not in REGISTER:
        raise UnknownProblemError(f"no problem has the code {code!r}; known are {', '.join(REGISTER)}")
    return REGISTER[wanted]


_ERROR, _WARNING, _NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE

_HOST = (
    Record(
        "HL-101",
        "not enough rights",
        _ERROR,
        "hostlink moves interfaces between namespaces and opens packet sockets, which takes root, or the capabilities "
        "that the detail names. Without them nothing was started.",
        "run it as root, or give the unit the capabilities (CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN)",
    ),
    Record(
        "HL-102",
        "uplink absent",
        _ERROR,
        "no interface of the host fits the configuration's match. hostlink waits and takes it when it appears.",
        "compare `ip -details link` with `match` of the configuration; is the NIC's driver loaded, or does another "
        "program (vfio, DPDK, a container) hold it?",
        delay_s=5,
    ),
    Record(
        "HL-103",
        "uplink is a loopback interface",
        _ERROR,
        "a loopback interface has no wire, so VPP cannot serve it. Nothing was touched.",
        "name the NIC in `match`",
    ),
    Record(
        "HL-104",
        "uplink is a port of a bridge or bond",
        _ERROR,
        "the interface belongs to a bridge or bond, which would lose it without being told. Nothing was touched.",
        "take the bridge or bond apart first, or match an interface that stands alone",
    ),
    Record(
        "HL-105",
        "uplink is hostlink's own interface",
        _ERROR,
        "the match finds an interface that hostlink itself made for another takeover. Nothing was touched.",
        "match by mac or pci with the NIC released (`hostlink release`), or see why an old interface was left behind",
    ),
    Record(
        "HL-106",
        "uplink is a bridge, bond or another virtual interface",
        _ERROR,
        "the interface has no frames of its own that a driver could hand to VPP. Nothing was touched.",
        "match the NIC below it",
    ),
    Record(
        "HL-107",
        "several interfaces fit",
        _ERROR,
        "more than one interface fits the match, and the wrong one would cut the node off. Nothing was touched.",
        "match by pci or name, which fit one interface only",
    ),
    Record(
        "HL-108",
        "uplink is down",
        _NOTE,
        "the uplink was down when it was found. It is taken as it is, and comes up with the host's interface.",
        "set it up, if it should be: `ip link set NAME up`",
        delay_s=5,
    ),
    Record(
        "HL-109",
        "uplink has no address",
        _NOTE,
        "the uplink has no global address. It is taken as it is; addresses that come later are mirrored.",
        "see whether the DHCP client or network manager does its work on the interface",
        delay_s=15,
    ),
    Record(
        "HL-110",
        "name clash",
        _ERROR,
        "the name that the host's interface or the parked NIC needs belongs to another interface already, as a name or "
        "as an altname. Nothing was touched.",
        "rename or remove the interface that the detail names, or its altname",
    ),
    Record(
        "HL-111",
        "no way to make the host's interface",
        _ERROR,
        "host_link `tap` needs /dev/net/tun here and /dev/vhost-net for VPP; one of them is absent. Nothing was "
        "touched.",
        'load the modules (`modprobe tun vhost_net`), or set host_link = "veth"',
    ),
    Record(
        "HL-112",
        "another hostlink runs",
        _ERROR,
        "the lock of the runtime folder is held by the process that the detail names. This one has touched nothing.",
        "see what the other one does by `hostlink state`, or stop it first",
    ),
    Record(
        "HL-113",
        "two uplinks mean one interface",
        _ERROR,
        "an entry of the configuration finds an interface that another entry has already. It is left to the other; "
        "nothing was touched.",
        "take one of the two [[uplink]] entries out, or match by what only one interface has (pci, name)",
    ),
    Record(
        "HL-114",
        "the kernel takes no packet programs",
        _ERROR,
        "what the host speaks with its link (DHCP, neighbours, router advertisements, multicast) goes around VPP by "
        "small eBPF programs at tc, and this kernel refuses them. Nothing was touched.",
        "use a kernel with CONFIG_BPF_SYSCALL, CONFIG_NET_SCH_INGRESS and CONFIG_NET_CLS_BPF (every distribution's "
        "has them), and see whether a security module forbids bpf(2)",
    ),
    Record(
        "HL-115",
        "a program listens on the NIC by packet socket",
        _WARNING,
        "the program that the detail names has a packet socket on the uplink. Such a socket is bound to the number of "
        "the interface and hears nothing any more when the host's interface takes the NIC's place, and again when the "
        "NIC comes back. udhcpc, systemd-networkd and tcpdump begin anew or end; dhclient 4.4 lets its lease run out.",
        "restart the program after the takeover, and after a give-back; with its lease file a DHCP client asks for the "
        "same address",
    ),
    Record(
        "HL-116",
        "something on the NIC does not come back",
        _WARNING,
        "the kernel takes what the detail names from an interface that moves to another namespace, and no other "
        "interface can have it: classful queueing, tc filters, MACs of the device's filter. A takeover goes on without "
        "it, and give-back does not restore it. Of nexthop objects only the routes come back, with plain next hops.",
        "write down what makes it, to run that again on the host's interface and after a give-back; or take it off",
    ),
)

_VPP = (
    Record(
        "HL-201",
        "VPP not reachable",
        _ERROR,
        "nothing answers on VPP's API socket. hostlink waits for it; the host keeps its NIC meanwhile.",
        "see `systemctl status vpp` and VPP's log; compare `socksvr { socket-name … }` with api_socket",
        delay_s=3,
    ),
    Record(
        "HL-202",
        "VPP is not in its namespace",
        _ERROR,
        "VPP runs in another network namespace than the configuration names, so it would not find the NIC there. "
        "Nothing was touched.",
        "run VPP in the namespace (the drop-in in contrib/systemd does), or correct vpp.namespace",
        depends_on=("HL-201", "HL-203"),
    ),
    Record(
        "HL-203",
        "VPP's namespace absent",
        _ERROR,
        "the named network namespace that VPP should run in does not exist. Nothing was touched.",
        "make it (`ip netns add NAME`) and start VPP in it",
    ),
    Record(
        "HL-204",
        "VPP lacks a message",
        _ERROR,
        "this VPP does not have a message that hostlink needs, or has it in another form (its CRC differs). "
        "Nothing was touched.",
        "load the plugin that the message belongs to, or run a release that hostlink knows (README.md)",
        depends_on=("HL-201",),
    ),
    # 205 was "an ACL slot is taken": hostlink needs none any more.
    Record(
        "HL-206",
        "punt redirect taken",
        _ERROR,
        "VPP already sends what it punts to an interface that is not hostlink's. Nothing was touched.",
        "see `show ip punt redirect` and `show ip6 punt redirect` in VPP, and stop the client that set it",
        depends_on=("HL-201",),
    ),
    Record(
        "HL-207",
        "VPP already has the interface",
        _ERROR,
        "an interface on the uplink, or one of the name that hostlink needs, is in VPP and was not made by hostlink. "
        "Nothing was touched.",
        "remove it from VPP, or from the configuration that VPP starts with",
        depends_on=("HL-201",),
    ),
    Record(
        "HL-208",
        "VPP is lost again and again",
        _ERROR,
        "VPP has died several times while it had the uplink. Until it has answered for a while, longer each time, the "
        "host keeps its NIC. Nothing was touched since.",
        "see VPP's log for why it dies; `hostlink release` keeps the NIC on the host",
    ),
    Record(
        "HL-209",
        "VPP keeps a protocol for itself",
        _NOTE,
        "a plugin or tunnel of VPP takes every packet of an IP protocol that comes to the node's addresses, also those "
        "that it cannot use. The host receives none of them by unicast; multicast on the link goes around VPP.",
        "nothing, if the host does not speak the protocol. Else start VPP without the plugin (`plugin NAME_plugin.so "
        "{ disable }`) or take the tunnel away; a protocol that a tunnel brought is kept until VPP starts again",
        depends_on=("HL-201",),
    ),
    Record(
        "HL-210",
        "VPP keeps a UDP port for itself",
        _NOTE,
        "a plugin or tunnel of VPP takes every datagram to a UDP port of the node's addresses, also those that it "
        "cannot use. The host receives none of them.",
        "nothing, if the host does not serve the port. Else take the tunnel or session away, or give one side another "
        "port; a port that a VXLAN tunnel brought is kept until VPP starts again",
        depends_on=("HL-201",),
    ),
    Record(
        "HL-211",
        "VPP keeps ICMP errors for itself",
        _WARNING,
        "VPP's session layer frees every ICMPv4 destination-unreachable that comes to the node's addresses: the host "
        "learns of no smaller path MTU, so large packets to some places vanish, and of no closed port.",
        "run VPP without the session layer (no `session { enable }`, no host stack applications) and start it again: "
        "disabling does not undo it. Else set `net.ipv4.tcp_mtu_probing = 1`, or a smaller MTU on the routes concerned",
        depends_on=("HL-201",),
    ),
)

LIMITS = (
    Record(
        "HL-212",
        "some hop counts are not as sent",
        _NOTE,
        "VPP takes a hop off what it carries; hostlink puts it back but where it cannot be told: what the host sends "
        "with 254 leaves with 255, what it sends to a pod of its own node with 255 arrives with 254, and IPv4 "
        "datagrams that come in fragments, which VPP puts together, arrive with one hop less (measured on VPP 25.10 "
        "and 26.06, tests/system/test_ttl.py).",
        "nothing, unless a program counts on those very numbers",
    ),
    Record(
        "HL-213",
        "unicast with options does not pass",
        _NOTE,
        "VPP does not forward the host's IPv4 unicast with IP options, and drops IPv6 unicast for the host that has a "
        "hop-by-hop header. Multicast with them (IGMP, MLD) goes around VPP and passes (measured on VPP 25.10 and "
        "26.06, tests/system/test_protocols.py).",
        "nothing: RSVP and `ping -R` are what uses them",
    ),
    Record(
        "HL-214",
        "a pod can pass for the host",
        _NOTE,
        "VPP looks at no packet's source by itself: a pod may send with the host's address, and with 255 hops even "
        "pass a check by RFC 5082 (measured on VPP 25.10 and 26.06, tests/system/test_ttl_of_pods.py).",
        "have the pod network check sources: an ACL or VPP's urpf on the pods' interfaces",
    ),
)
"""What stock VPP cannot, and hostlink cannot cure: `hostlink plan` names it before a takeover."""

_MIRROR = (
    Record(
        "HL-301",
        "route cannot be expressed in VPP",
        _WARNING,
        "a route of the host has no form in VPP. Packets that VPP itself forwards do not follow it; the host's own do.",
        "write the route in another way, or live with it: the detail says what VPP lacks",
        delay_s=5,
    ),
    Record(
        "HL-302",
        "cluster route is there and foreign",
        _WARNING,
        "a route to one of the cluster's prefixes was on the host before hostlink could add its own. It is left alone.",
        "remove it, or take the prefix out of [cluster]",
        delay_s=5,
    ),
    Record(
        "HL-303",
        "no next hop for a cluster route",
        _WARNING,
        "the uplink has neither a default gateway nor a subnet in the family of a cluster prefix, so the host has no "
        "route to it.",
        "give the uplink an address of that family, or take the prefix out of [cluster]",
        delay_s=15,
    ),
    Record(
        "HL-304",
        "the host's interface was missing or down",
        _WARNING,
        "somebody removed the host's interface or set it down. VPP was left as it was, and the interface put back.",
        "find out who did it (the detail says when); while it lasts, the host is cut off",
    ),
    Record(
        "HL-305",
        "the NIC does not take the MTU",
        _WARNING,
        "the host's interface was given an MTU that the NIC in VPP's namespace refuses. VPP stays at the NIC's: one "
        "larger packet would stop its transmit ring.",
        "set the host's interface to an MTU that the NIC can have",
    ),
    Record(
        "HL-306",
        "VPP was changed by somebody else",
        _WARNING,
        'something of what hostlink set in VPP is not as it was left, and the configuration says `drift = "report"`, '
        "so it is told and not put right. What the host changes from now on is carried over all the same.",
        'find out who changes VPP; put it back by hand, or set `drift = "heal"`: then the next audit puts it right',
    ),
    Record(
        "HL-307",
        "another client's route hides one of the host's",
        _WARNING,
        "another client of VPP has given an interface of its own an address of a network that the host has a route to, "
        "or has an on-link route to it. Packets that VPP itself forwards follow that; the host's own do too.",
        "see `show ip fib PREFIX` in VPP, and have that client use another network, or the host",
        delay_s=5,
    ),
    Record(
        "HL-308",
        "policy rule that VPP does not follow",
        _WARNING,
        "a policy rule of the host looks up another table than main, and that table has routes by the uplink. VPP "
        "forwards by table main alone, so packets of the host that the rule is about leave as main says: by another "
        "next hop, or not at all. The table itself is in VPP, for whoever binds an interface to it.",
        "put what the rule's table says into table main, or live with it; `ip rule` and `ip route show table N` show "
        "both",
        delay_s=5,
    ),
    Record(
        "HL-309",
        "another client has a table that hostlink needs",
        _WARNING,
        "each other table of the host has one of hostlink's own in VPP, under a number of its own. Another client has "
        "made a table of that number, so the host's is not mirrored. hostlink touches nothing in it.",
        "see `show ip table` or `show ip6 table` in VPP, and have that client use another number",
        delay_s=5,
    ),
    Record(
        "HL-310",
        "an empty table of hostlink's is kept for another client",
        _NOTE,
        "the host has no route in that table any more, or the uplink was given back. But another client of VPP has an "
        "interface or routes in hostlink's table, and would lose them with it. It goes when they are gone: at the next "
        "audit, or with the next takeover.",
        "nothing; or take the other client out of the table, which the detail names",
    ),
    Record(
        "HL-311",
        "an address of the host is not on the uplink",
        _WARNING,
        "an interface without a wire (lo, a dummy, kube-ipvs0) has addresses of the host. With the NIC in VPP nobody "
        "reaches them over it: VPP does not know that they are the host's, and sends packets for them where its routes "
        "lead. The host itself can use them.",
        "give the address to the uplink as well (as a /32 or /128), or list it in [cluster] service_cidrs where only "
        "the cluster means it; else, if it is meant for this node alone, let it be",
        delay_s=5,
    ),
    Record(
        "HL-320",
        "somebody works against hostlink on the host's interface",
        _WARNING,
        "the host's interface must have the NIC's name and MAC. Something sets them otherwise each time that hostlink "
        "has put them right, so hostlink has stopped for a minute. With another MAC the host is cut off meanwhile.",
        "of a MAC: see udev's `MACAddressPolicy=` (systemd.link(5), /etc/systemd/network/*.link), NetworkManager's "
        "`cloned-mac-address`, and networkd's `MACAddress=`; of a name: udev rules with `NAME=`. `udevadm monitor` and "
        "`ip monitor link` show when it happens",
    ),
    Record(
        "HL-321",
        "the NIC has no carrier",
        _WARNING,
        "the NIC's cable or its peer is down. The host's interface shows no carrier either, as the NIC itself would, "
        "and gets it back with the NIC.",
        "see the cable and the switch's port; `ip -n NAMESPACE link show NAME` shows the NIC in VPP's namespace",
        delay_s=1,
    ),
    Record(
        "HL-322",
        "the name of the host's interface is another's",
        _WARNING,
        "another interface has the NIC's name, or has it as an altname. hostlink has left it alone; the host's "
        "interface works under the name that the detail says, and gets its own as soon as that is free.",
        "remove or rename the other interface (`ip link show NAME` shows it)",
    ),
    Record(
        "HL-323",
        "the host's interface changes faster than it can be read",
        _WARNING,
        "something changes the host's interface or its addresses without a pause, so no whole picture of it can be "
        "had. VPP keeps what it has, and gets what the host has as soon as that can be read.",
        "see `ip monitor link address` for what changes; the detail names the interface",
        delay_s=1,
    ),
)

_STEPS = (
    Record(
        "HL-401",
        "a step failed on the host",
        _ERROR,
        "the kernel refused an operation of the takeover. The NIC is given back, and hostlink does not try again by "
        "itself.",
        "mend what the detail names, then `hostlink resume`",
    ),
    Record(
        "HL-402",
        "a step failed in VPP",
        _ERROR,
        "VPP refused a message of the takeover, or answered what cannot be. The NIC is given back, and hostlink does "
        "not try again by itself.",
        "mend what the detail names (VPP's own log says more), then `hostlink resume`",
    ),
    Record(
        "HL-403",
        "deadline passed",
        _ERROR,
        "a step took longer than it may, or got no further for so long. The NIC is given back, and hostlink does not "
        "try again by itself.",
        "see whether VPP hangs (`vppctl show threads`) or the machine is overloaded, then `hostlink resume`",
    ),
    Record(
        "HL-404",
        "VPP lost",
        _ERROR,
        "VPP's API socket closed or does not answer. The NIC goes back to the host, and is taken again when VPP is "
        "back.",
        "see `systemctl status vpp` and VPP's log",
        delay_s=1,
    ),
    Record(
        "HL-405",
        "uplink lost",
        _ERROR,
        "the NIC or the host's interface has gone. What is left is put back, and hostlink waits for the uplink.",
        "see `dmesg` for the NIC's driver, or who removed the interface",
        delay_s=1,
    ),
    Record(
        "HL-406",
        "not everything could be given back",
        _ERROR,
        "the NIC is back, and read back; what the detail names is not as it was before.",
        "put it right by hand, for instance by `ip route add …`",
    ),
    Record(
        "HL-407",
        "the path is not proved",
        _ERROR,
        "what answered before the takeover (the gateways, and the configuration's `probes`) has not answered after it "
        "within confirm_s, or not when VPP had come back. The NIC is given back, and hostlink does not try again by "
        "itself, unless retry_s says so.",
        "see `show errors` and `show ip punt redirect` in VPP, then `hostlink resume`",
    ),
    Record(
        "HL-408",
        "give-back failed, being tried again",
        _ERROR,
        "a give-back failed or took too long. It is tried again; the journal still has all it needs.",
        "mend what the detail names; `hostlink release` tries once more at once",
    ),
    Record(
        "HL-409",
        "the host changes faster than it can be captured",
        _WARNING,
        "the uplink's addresses or routes changed while they were being read, again and again. Nothing was touched.",
        "see `ip monitor` for who changes them",
        delay_s=5,
    ),
    Record(
        "HL-410",
        "it does not become what it should be",
        _ERROR,
        "operations succeeded, and reading back shows that something still differs, round after round. Another program "
        "works against hostlink, or something takes what it is given differently. The NIC is given back, and hostlink "
        "does not try again by itself.",
        "the detail says what differs; find out who else sets it (`ip monitor`, VPP's other clients), then "
        "`hostlink resume`",
    ),
    Record(
        "HL-411",
        "hostlink's interface in VPP has gone",
        _ERROR,
        "an interface that hostlink made in VPP, and knows by its tag, was deleted each time that hostlink had put it "
        "back, several times in a minute. The NIC is given back, and hostlink does not try again by itself.",
        "find out which client of VPP deletes interfaces or tags, then `hostlink resume`",
        depends_on=("HL-404",),
    ),
    Record(
        "HL-412",
        "a gateway or probe does not answer",
        _WARNING,
        "what answered before the takeover, and after it, does not answer at present. Nothing is changed for that.",
        "see whether the gateway is up; compare with another host on the same network",
    ),
    Record(
        "HL-413",
        "the guard gave the NIC back",
        _ERROR,
        "a takeover was not confirmed in time, and the daemon did not give the NIC back either: it was hung, or gone. "
        "The guard (hostlink-guard.service) ended it and gave the NIC back from the journal. hostlink does not try "
        "again by itself.",
        "see the daemon's log for why it hung or died (`journalctl -u hostlink`), then `hostlink resume`",
    ),
    Record(
        "HL-414",
        "no guard watches the takeover",
        _WARNING,
        "hostlink-guard does not run. A takeover that is not confirmed yet would not be given back if this daemon hung "
        "or died now.",
        "`systemctl enable --now hostlink-guard`, or run `hostlink guard` beside the daemon",
    ),
    Record(
        "HL-415",
        "nobody confirmed the takeover",
        _ERROR,
        "hostlink was run with --try, and `hostlink confirm` did not come in time. The NIC is given back, and hostlink "
        "does not try again by itself.",
        "`hostlink resume` tries again; a daemon that is run without --try takes over for good after it",
    ),
    Record(
        "HL-416",
        "the takeover waits for a person",
        _NOTE,
        "hostlink was run with --try: the path is proved, and without `hostlink confirm` the NIC goes back at the time "
        "that the detail says.",
        "see whether all that you need works, then `hostlink confirm`",
    ),
    Record(
        "HL-417",
        "the node went down during a takeover",
        _ERROR,
        "the node went down, or was reset, before its takeover was confirmed. After the boot the NIC is the host's "
        "own; hostlink does not try again by itself.",
        "see the journal of the earlier boot for why it went down (`journalctl -b -1`), then `hostlink resume`",
    ),
    Record(
        "HL-418",
        "something on the NIC did not come back",
        _WARNING,
        "the NIC is back, and read back, but for what the detail names: it was on the NIC before the takeover, or on "
        "the host's interface at the end, and the kernel takes it from an interface that leaves (HL-116).",
        "run again what had made it: `tc …`, `bridge fdb add … self`, `ip nexthop add …`, `ip token set …`",
    ),
    Record(
        "HL-419",
        "daemons died over the takeover",
        _ERROR,
        "one hostlink daemon after another died before the takeover was confirmed: a bug of hostlink's, or something "
        "that kills it. The NIC is given back, and hostlink does not try again by itself.",
        "see what ended them (`journalctl -u hostlink`: a traceback is a bug to report; `dmesg` for memory that ran "
        "out), then `hostlink resume`",
    ),
    Record(
        "HL-420",
        "somebody deletes the host's interface again and again",
        _ERROR,
        "the host's interface was deleted each time that hostlink had put it back, several times in a minute. The NIC "
        "is given back, and hostlink does not try again by itself.",
        "find out who deletes it (`ip monitor link`; a network manager that removes interfaces it did not make: "
        "networkd's ManageForeign…, NetworkManager's device list), then `hostlink resume`",
    ),
)

_JOURNAL = (
    Record(
        "HL-501",
        "journal damaged",
        _ERROR,
        "the journal is torn, altered, or not complete. It is not acted on: nothing was touched.",
        "compare the node's network with what it should be, mend it by hand, then move the file away",
    ),
    Record(
        "HL-502",
        "journal foreign",
        _ERROR,
        "the file in the journal's place is not hostlink's, or others could have written to it. It is not acted on.",
        "move the file away if it is not hostlink's; see who may write to the folder",
    ),
    Record(
        "HL-503",
        "journal of a newer hostlink",
        _ERROR,
        "the journal was written by a newer hostlink than this one. It is not acted on.",
        "run the newer hostlink, or let that one release the uplink before the older is installed",
    ),
    Record(
        "HL-504",
        "journal cannot be read",
        _ERROR,
        "the system refused to let hostlink read the journal. Nothing was touched.",
        "see the folder's owner and mode, and the disk",
    ),
    Record(
        "HL-505",
        "journal cannot be written",
        _ERROR,
        "without a durable journal there is no way back, so nothing is taken over. Nothing was touched.",
        "make room on the disk or make it writable, then `hostlink resume`",
    ),
    Record(
        "HL-506",
        "journal overtaken",
        _ERROR,
        "the journal is not the one that this hostlink wrote last: another one acts on this node.",
        "find out which hostlink runs (`hostlink state`), and stop one of them",
    ),
    Record(
        "HL-510",
        "hold cannot be read",
        _ERROR,
        "beside the journal there is a hold of an earlier run (`<interface>.held`) that is torn, foreign, or of a "
        "newer hostlink. Why it was held is not known, so nothing is taken over.",
        "see the log of the earlier run; `hostlink resume` clears it",
    ),
    Record(
        "HL-511",
        "hold cannot be kept",
        _WARNING,
        "the hold could not be written to disk, or not removed from it: it would not outlive the daemon, or outlive a "
        "resume.",
        "make room on the disk or make it writable; after that a restart of the daemon, `hostlink release` or `resume` "
        "says it anew",
    ),
)

REGISTER: dict[str, Record] = {record.code: record for record in _HOST + _VPP + LIMITS + _MIRROR + _STEPS + _JOURNAL}
"""Every registered problem by its code, in order of the codes."""
