"""`show udp punt` and `show tcp punt` as VPP 26.06 prints them (vnet/udp/udp_cli.c, vnet/tcp/tcp_cli.c)."""

from __future__ import annotations

from hostlink.lab.standin.punt import TCP, UDP
from hostlink.lab.standin.registry import Vpp


def show_udp_punt(vpp: Vpp) -> str:
    punted, lines = vpp.state.punted_ports, []
    for version in (4, 6):
        if (version, UDP) in punted.unknown:
            lines.append(f"IPv{version} UDP punt: enabled")
        else:
            ports = ", ".join(str(port) for one, port in sorted(punted.ports) if one == version)
            lines.append(f"IPV{version} UDP ports punt : {ports}")
    return "".join(f"{line}\n" for line in lines)


def show_tcp_punt(vpp: Vpp) -> str:
    unknown = vpp.state.punted_ports.unknown
    words = [(version, "enabled" if (version, TCP) in unknown else "disabled") for version in (4, 6)]
    return "".join(f"IPv{version} TCP punt: {word}\n" for version, word in words)
