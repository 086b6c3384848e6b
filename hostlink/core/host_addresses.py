"""Addresses of a host's link: what is to be done so that it has the wanted ones, and what may be asked of them.

What the kernel decides is not compared: an address's TENTATIVE, SECONDARY and their like, its protocol, how many
seconds are left of a lifetime. An automatic link-local address is compared by its address alone.

Nothing is changed in place: kernel/ never replaces what is there, and label, broadcast and scope could not be. An
address that differs goes, and comes again. With promote_secondaries=0 the kernel deletes the other IPv4 addresses of a
subnet along with its primary one (F14), so it is set to 1 while an IPv4 address is deleted.
(kernel: net/ipv4/devinet.c, net/ipv6/addrconf.c, Documentation/networking/ip-sysctl.rst)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from ipaddress import IPv6Address

from hostlink.core.model import Address, Family, HostView, IPAddress, Prefix
from hostlink.core.operations import AddHostAddress, ChangeHostAddress, DeleteHostAddress, HostOperation, SetSysctl

# include/uapi/linux/if_addr.h
IFA_F_NODAD = 0x02
IFA_F_OPTIMISTIC = 0x04
IFA_F_DADFAILED = 0x08
IFA_F_HOMEADDRESS = 0x10
IFA_F_TENTATIVE = 0x40
IFA_F_PERMANENT = 0x80
IFA_F_MANAGETEMPADDR = 0x100
IFA_F_NOPREFIXROUTE = 0x200
IFA_F_MCAUTOJOIN = 0x400
SETTABLE_FLAGS = IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN
"""What somebody asked for when the address was added, and may be asked for again. All others are the kernel's."""


def on_link(address: Address) -> Prefix:
    """The network that the kernel takes for on-link because of an address: its peer's, where it has one."""
    if address.peer is None:
        return address.interface.network
    length = address.interface.network.prefixlen
    return type(address.interface.network)((int(address.peer), length), strict=False)


_Identity = tuple[int, IPAddress, int, IPAddress | None]


def _identity(address: Address) -> _Identity:
    """By what the kernel tells one from another: IPv6 by the address alone, IPv4 by length and peer too."""
    if address.family is Family.IPV6:
        return 6, address.interface.ip, 0, None
    return 4, address.interface.ip, address.interface.network.prefixlen, address.peer


def link_local_of(mac: str) -> IPv6Address:
    """The address that the kernel gives by itself to a link of that MAC that comes up (RFC 4291, appendix A)."""
    raw = bytes.fromhex(mac.replace(":", ""))
    return IPv6Address(b"\xfe\x80" + bytes(6) + bytes([raw[0] ^ 2]) + raw[1:3] + b"\xff\xfe" + raw[3:])


def is_link_local6(address: Address) -> bool:
    return address.family is Family.IPV6 and address.interface.is_link_local


def usable(address: Address) -> bool:
    """Whether the host answers for it: not while it is probed (unless optimistic), never where the probe failed."""
    probing = address.flags & IFA_F_TENTATIVE and not address.flags & IFA_F_OPTIMISTIC
    return not probing and not address.flags & IFA_F_DADFAILED


def addresses_to_add(desired: HostView, actual: HostView) -> Iterator[HostOperation]:
    """So that they end in the wanted order. One that is there and differs is deleted right before it is added."""
    index, there = actual.link.index, {_identity(address): address for address in actual.addresses}
    for address in _in_order_of_adding(desired.addresses):
        if address.valid_lifetime_s == 0:
            continue  # it has run out, and the kernel refuses it
        old = there.get(_identity(address))
        if old is not None and _as_wanted(address, old):
            continue
        if old is not None:
            yield from _delete(old, desired, actual)
        yield AddHostAddress(index, _to_add(address))


def addresses_to_settle(desired: HostView, actual: HostView) -> Iterator[HostOperation]:
    """IPv6 addresses that were added without a probe, and not by whoever first added them: NODAD is taken off again.

    The kernel changes flags in place and probes nothing for it (net/ipv6/addrconf.c, inet6_addr_modify; run on 6.18).
    """
    there = {_identity(address): address for address in actual.addresses}
    for address in desired.addresses:
        old = there.get(_identity(address))
        if address.family is Family.IPV6 and old is not None and old.flags & ~address.flags & IFA_F_NODAD:
            flags = address.flags & (SETTABLE_FLAGS | IFA_F_OPTIMISTIC)
            yield ChangeHostAddress(actual.link.index, replace(old, flags=flags))


def _in_order_of_adding(addresses: Sequence[Address]) -> list[Address]:
    """IPv4 keeps the order of adding, its first one is the primary; IPv6 puts the newest first, and prefers it."""
    ipv4 = [address for address in addresses if address.family is Family.IPV4]
    ipv6 = [address for address in addresses if address.family is Family.IPV6]
    return [*ipv4, *reversed(ipv6)]


def _delete(old: Address, desired: HostView, actual: HostView) -> Iterator[HostOperation]:
    """Without taking its subnet along. The sysctl ends as the wanted view has it, or as it was."""
    path = "ipv4/conf/{link}/promote_secondaries"
    value = dict(desired.sysctls).get(path, dict(actual.sysctls).get(path, "1"))
    guarded = old.family is Family.IPV4 and value != "1"
    name = path.replace("{link}", actual.link.name)
    if guarded:
        yield SetSysctl(name, "1")
    yield DeleteHostAddress(actual.link.index, old)
    if guarded:
        yield SetSysctl(name, value)


def _to_add(address: Address) -> Address:
    """Not probed again unless the probe had failed: it must work at once, and VPP's own proxy would answer a probe."""
    flags = address.flags & SETTABLE_FLAGS
    if address.family is Family.IPV6 and not address.flags & IFA_F_DADFAILED:
        flags |= IFA_F_NODAD
    return replace(address, flags=flags)


def _as_wanted(wanted: Address, there: Address) -> bool:
    if is_link_local6(wanted):
        return True
    asked = (wanted.flags ^ there.flags) & SETTABLE_FLAGS == 0
    metric = (wanted.route_priority or 0) == (there.route_priority or 0)
    valid = (wanted.valid_lifetime_s is None) == (there.valid_lifetime_s is None)
    return asked and metric and valid and _preferred_alike(wanted, there) and _shape(wanted) == _shape(there)


def _shape(address: Address) -> tuple[object, ...]:
    """What else must be alike. IPv6 has no label and no broadcast, and takes its scope from the address."""
    if address.family is Family.IPV6:
        return address.interface, address.peer
    return address.broadcast, address.scope, address.label


def _preferred_alike(wanted: Address, there: Address) -> bool:
    """For ever, for a time, or deprecated. A time that has run out since is no difference."""
    new, old = wanted.preferred_lifetime_s, there.preferred_lifetime_s
    if new is None or old is None:
        return new is old
    return new > 0 or old == 0


def addresses_to_delete(desired: HostView, actual: HostView) -> Iterator[HostOperation]:
    """An automatic link-local address stays unless the wanted view has another: a link needs one."""
    wanted = {_identity(address) for address in desired.addresses}
    has_link_local = any(is_link_local6(address) for address in desired.addresses)
    for old in actual.addresses:
        if _identity(old) in wanted or (is_link_local6(old) and not has_link_local):
            continue
        yield from _delete(old, desired, actual)
