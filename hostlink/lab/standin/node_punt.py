"""The punt path: a redirect takes the packet to the host's interface, with its TTL as it came; without one it is
dropped.
"""

from __future__ import annotations

from dataclasses import replace

from hostlink.lab.standin import node_ip4, node_ip6
from hostlink.lab.standin.fib import Entry, Path, Source
from hostlink.lab.standin.forwarding import Forwarding, resolve
from hostlink.lab.standin.graph import Context, node
from hostlink.lab.standin.packet import Packet
from hostlink.lab.standin.state import State


@node("ip4-punt")
def ip4_punt(context: Context, packet: Packet) -> None:
    found = redirect(context.state, 4, packet.rx)
    if found is None:
        context.state.error("ip4-punt", "no error")
        return
    node_ip4.dispatch(context, replace(packet, locally_originated=True), found, packet.data[16:20])


@node("ip6-punt")
def ip6_punt(context: Context, packet: Packet) -> None:
    found = redirect(context.state, 6, packet.rx)
    if found is None:
        context.state.error("ip6-punt", "no error")
        return
    node_ip6.dispatch(context, replace(packet, locally_originated=True), found, packet.data[24:40])


def redirect(state: State, version: int, rx_sw_if_index: int) -> Forwarding | None:
    """Where packets punted from an interface go; None when nothing redirects them."""
    paths = state.redirects[version].find(rx_sw_if_index)
    if paths is None:
        return None
    return redirect_of(state, version, paths)


def redirect_of(state: State, version: int, paths: tuple[Path, ...]) -> Forwarding:
    """Redirect paths resolve as a route's do, so they are dressed as one."""
    return resolve(state, state.fib.of_interface(version, 0), Entry(0, 0, 0, sources={0: Source(paths)}))
