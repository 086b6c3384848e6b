"""What stock VPP cannot, and hostlink cannot cure (HL-2xx): `hostlink plan` names it before a takeover."""

from __future__ import annotations

from hostlink.problems.record import Record, Severity

_NOTE = Severity.NOTE

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
