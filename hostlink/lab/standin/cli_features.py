"""`show interface features` and `show outacl`: the only places where VPP tells of ND proxies and output ACLs."""

from __future__ import annotations

from hostlink.lab.standin.registry import Vpp

ACL_TYPES = ("ip4", "ip6", "l2")


def show_features(vpp: Vpp, name: str) -> str:
    """The features of the arcs that hostlink looks at, in VPP's layout."""
    found = next((one for one in vpp.state.interfaces if one.name == name), None)
    if found is None:
        return "show interface features: Interface not specified...\n"
    arcs = {
        "arp": ["arp-proxy"] if found.proxy_arp else [],
        "ip6-output": ["ip6-outacl"] if "ip6" in found.output_acl else [],
        "ip6-multicast": ["ip6-multicast-nd-proxy"] if found.nd_proxy else [],
        "ip6-unicast": ["ip6-unicast-nd-proxy"] if found.nd_proxy else [],
        "ip4-output": ["ip4-outacl"] if "ip4" in found.output_acl else [],
    }
    parts = [
        f"\n{arc}:\n" + "".join(f"  {feature}\n" for feature in on or ["none configured"]) for arc, on in arcs.items()
    ]
    return f"Feature paths configured on {name}...\n" + "".join(parts)


def show_output_acl(vpp: Vpp, kind: str) -> str:
    """Which classifier table is bound to which interface's output."""
    if kind not in ACL_TYPES:
        return "show outacl: Invalid output ACL table type.\n"
    names = {one.sw_if_index: one.name for one in vpp.state.interfaces}
    noted = vpp.state.acl_slots["output"]
    rows = [(sw, table, names.get(sw, "DELETED")) for (sw, slot), table in sorted(noted.items()) if slot == kind]
    if not rows:
        return "No output ACL tables configured\n"
    head = f"{'Intfc idx':>10}{'Classify table':>20}\t\tInterface name\n"
    return head + "".join(f"{sw:>10}{table:>20}\t\t{name}\n" for sw, table, name in rows)
