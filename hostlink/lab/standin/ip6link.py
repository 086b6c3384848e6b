"""Whether IPv6 is on for an interface, and its link-local address.

VPP counts who holds it on: each enable by the API (one that finds it on is refused with -81, and counts all the same)
and each address. The link-local lives in a table of its own for each interface, not in the common one.
"""

from __future__ import annotations

from hostlink.lab.standin.interfaces import Interface, Ip6Link, RouterAdvertisements
from hostlink.lab.standin.retvals import (
    ADDRESS_LENGTH_MISMATCH,
    ADDRESS_NOT_DELETABLE,
    ADDRESS_NOT_FOUND_FOR_INTERFACE,
    IP6_NOT_ENABLED,
    VALUE_EXIST,
    Refused,
)
from hostlink.lab.standin.state import State


def from_mac(mac: bytes) -> bytes:
    """The modified EUI-64 link-local (RFC 4291, appendix A)."""
    return b"\xfe\x80" + bytes(6) + bytes([mac[0] ^ 2]) + mac[1:3] + b"\xff\xfe" + mac[3:]


def hold(_state: State, interface: Interface, link_local: bytes | None = None) -> bool:
    """One more holder; False when IPv6 was on before."""
    if interface.ip6 is not None:
        interface.ip6.locks += 1
        return False
    radv = RouterAdvertisements(link_mtu=interface.l3_mtu(6))
    interface.ip6 = Ip6Link(link_local or from_mac(interface.mac), radv)
    return True


def release(_state: State, interface: Interface) -> None:
    if interface.ip6 is None:
        return
    interface.ip6.locks -= 1
    if interface.ip6.locks == 0:
        interface.ip6 = None


def enable(state: State, interface: Interface) -> None:
    if not hold(state, interface):
        raise Refused(VALUE_EXIST)


def disable(state: State, interface: Interface) -> None:
    if interface.ip6 is None:
        raise Refused(IP6_NOT_ENABLED)
    release(state, interface)


def set_link_local(state: State, interface: Interface, address: bytes) -> None:
    """Takes the place of the one that is there, and turns IPv6 on if need be."""
    if interface.ip6 is None:
        hold(state, interface, address)
    else:
        interface.ip6.link_local = address


def add_link_local_address(state: State, interface: Interface, address: bytes, length: int) -> None:
    """What sw_interface_add_del_address does with a link-local: it is not an address among others."""
    if length != 128:
        raise Refused(ADDRESS_LENGTH_MISMATCH)
    set_link_local(state, interface, address)


def remove_link_local_address(_state: State, interface: Interface, address: bytes, length: int) -> None:
    if length != 128:
        raise Refused(ADDRESS_LENGTH_MISMATCH)
    own = interface.ip6.link_local if interface.ip6 else None
    raise Refused(ADDRESS_NOT_DELETABLE if address == own else ADDRESS_NOT_FOUND_FOR_INTERFACE)
