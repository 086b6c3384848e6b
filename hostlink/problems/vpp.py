"""VPP before a takeover: whether it can be reached, and is fit (HL-2xx)."""

from __future__ import annotations

from hostlink.problems.record import Record, Severity

_ERROR, _WARNING, _NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE

VPP = (
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
