"""`show interface features` and `show outacl`: the only places where VPP tells of ND proxies and output ACLs."""

from __future__ import annotations

from hostlink.lab.standin.interfaces import Interface
from hostlink.lab.standin.registry import Vpp

ACL_TYPES = ("ip4", "ip6", "l2")
ARCS = (
    *("arp", "nsh-output", "mpls-output", "mpls-input"),
    *("ip6-drop", "ip6-punt", "ip6-local", "ip6-output", "ip6-multicast", "ip6-unicast"),
    *("ip4-drop", "ip4-punt", "ip4-local", "ip4-output", "ip4-multicast", "ip4-unicast"),
    *("l2-output-nonip", "l2-input-nonip", "l2-output-ip6", "l2-input-ip6", "l2-output-ip4", "l2-input-ip4"),
    *("ethernet-output", "error-drop", "interface-output", "port-rx-eth", "device-input", "l2-input", "l2-output"),
)
"""All of them in VPP's order, whether or not the stand-in has anything for them."""

Printed = tuple[int, str]
"""The retval and the text of a command."""


def show_features(vpp: Vpp, name: str) -> Printed:
    found = vpp.state.interfaces.named(name)
    if found is None:
        return -1, f"show interface: unknown input `{name}'\n"
    features = _features(vpp, found)
    parts = [f"\n{arc}:\n" + "".join(f"  {one}\n" for one in features.get(arc) or ["none configured"]) for arc in ARCS]
    return 0, f"Feature paths configured on {name}...\n" + "".join(parts)


def _features(vpp: Vpp, interface: Interface) -> dict[str, list[str]]:
    ip4 = vpp.state.interfaces.ip4_enabled(interface)
    ip6 = interface.ip6 is not None or interface.unnumbered is not None
    features: dict[str, list[tuple[bool, str]]] = {
        "arp": [(ip4, "arp-reply"), (interface.proxy_arp, "arp-proxy")],
        "mpls-input": [(True, "mpls-not-enabled")],
        "ip6-output": [("ip6" in interface.output_acl, "ip6-outacl")],
        "ip6-multicast": [(not ip6, "ip6-not-enabled"), (interface.nd_proxy, "ip6-multicast-nd-proxy")],
        "ip6-unicast": [
            ("ip6" in interface.input_acl, "ip6-inacl"),
            (not ip6, "ip6-not-enabled"),
            (interface.nd_proxy, "ip6-unicast-nd-proxy"),
        ],
        "ip4-output": [("ip4" in interface.output_acl, "ip4-outacl")],
        "ip4-multicast": [(not ip4, "ip4-not-enabled")],
        "ip4-unicast": [("ip4" in interface.input_acl, "ip4-inacl"), (not ip4, "ip4-not-enabled")],
    }
    return {arc: [name for on, name in all_of if on] for arc, all_of in features.items()}


def show_output_acl(vpp: Vpp, kind: str) -> Printed:
    """Which classifier table is noted for which interface's output, deleted ones too."""
    if kind not in ACL_TYPES:
        return -1, "show outacl: Invalid output ACL table type.\n"
    names = {one.sw_if_index: one.name for one in vpp.state.interfaces}
    noted = vpp.state.acl_slots["output"]
    rows = [
        f"{sw:>10}{table:>20}\t\t{names.get(sw, f'DELETED ({sw})')}\n"
        for (sw, slot), table in sorted(noted.items())
        if slot == kind
    ]
    if not rows:
        return 0, "No output ACL tables configured\n"
    return 0, f"{'Intfc idx':>10}{'Classify table':>20}\t\tInterface name\n" + "".join(rows)
