"""What of the host is not in VPP as it should be, and who else is at work there."""

from __future__ import annotations

from hostlink.problems.record import Record, Severity

_WARNING, _NOTE = Severity.WARNING, Severity.NOTE

MIRRORING = (
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
        "HL-312",
        "this VPP may not find neighbours from the host's other tables",
        _WARNING,
        "the host's other tables are in VPP, for whoever binds an interface to them. A VPP before 26.02 never learns "
        "in such a table where a host on the link is that it had yet to look for: packets to it are dropped. Those by "
        "a gateway of one of the host's routes go through.",
        "use VPP 26.02 or later; with an older one, give the host a route by that neighbour in table main (`ip route "
        "add PREFIX via NEIGHBOUR`)",
        delay_s=5,
    ),
)
