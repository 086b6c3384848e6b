"""Addresses of a host's link: what is to be done so that it has the wanted ones, and what may be asked of them.

What the kernel decides is not compared: an address's TENTATIVE, SECONDARY and their like, its protocol, how many
seconds are left of a lifetime. An automatic link-local address is compared by its address alone. An address that is
there with another label, broadcast or scope must go and come again, because the kernel does not change these; with it
all IPv4 addresses of its subnet are added once more, for `promote_secondaries=0` deletes them together (F14).
(kernel: net/ipv4/devinet.c, net/ipv6/addrconf.c, Documentation/networking/ip-sysctl.rst)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hostlink.core.model import Address, Family, HostView, IPAddress, Prefix
from hostlink.core.operations import AddHostAddress, DeleteHostAddress, HostOperation

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


def usable(address: Address) -> bool:
    """Whether the host answers for it: not while it is probed (unless optimistic), never where the probe failed."""
    probing = address.flags & IFA_F_TENTATIVE and not address.flags & IFA_F_OPTIMISTIC
    return not probing and not address.flags & IFA_F_DADFAILED


def addresses_to_add(desired: HostView, actual: HostView) -> Iterator[HostOperation]:
    """In the wanted order. An AddHostAddress for one that is there changes it."""
    index, there = actual.link.index, {_identity(address): address for address in actual.addresses}
    again: set[Prefix] = set()
    for address in desired.addresses:
        if address.valid_lifetime_s == 0:
            continue  # it has run out, and the kernel refuses it
        old = there.get(_identity(address))
        if old is not None and not _changeable(address, old):
            yield DeleteHostAddress(index, old)
            again.add(address.interface.network)
        elif old is not None and _as_wanted(address, old) and address.interface.network not in again:
            continue
        yield AddHostAddress(index, _to_add(address))


def _to_add(address: Address) -> Address:
    """Not probed again unless the probe had failed: it must work at once, and VPP's own proxy would answer a probe."""
    flags = address.flags & SETTABLE_FLAGS
    if address.family is Family.IPV6 and not address.flags & IFA_F_DADFAILED:
        flags |= IFA_F_NODAD
    return replace(address, flags=flags)


def _automatic(address: Address) -> bool:
    return address.family is Family.IPV6 and address.interface.is_link_local


def _changeable(wanted: Address, there: Address) -> bool:
    """Whether the kernel can turn the one that is there into the wanted one (or need not)."""
    if _automatic(wanted):
        return True
    if wanted.family is Family.IPV6:
        return wanted.interface == there.interface and wanted.peer == there.peer
    return (wanted.broadcast, wanted.scope, wanted.label) == (there.broadcast, there.scope, there.label)


def _as_wanted(wanted: Address, there: Address) -> bool:
    if _automatic(wanted):
        return True
    same_flags = (wanted.flags ^ there.flags) & SETTABLE_FLAGS == 0
    same_metric = (wanted.route_priority or 0) == (there.route_priority or 0)
    valid = (wanted.valid_lifetime_s is None) == (there.valid_lifetime_s is None)
    return same_flags and same_metric and valid and _preferred_alike(wanted, there)


def _preferred_alike(wanted: Address, there: Address) -> bool:
    """For ever, for a time, or deprecated. A time that has run out since is no difference."""
    new, old = wanted.preferred_lifetime_s, there.preferred_lifetime_s
    if new is None or old is None:
        return new is old
    return new > 0 or old == 0


def addresses_to_delete(desired: HostView, actual: HostView) -> Iterator[HostOperation]:
    """An automatic link-local address stays unless the wanted view has another: a link needs one."""
    wanted = {_identity(address) for address in desired.addresses}
    has_link_local = any(_automatic(address) for address in desired.addresses)
    for old in actual.addresses:
        if _identity(old) in wanted or (_automatic(old) and not has_link_local):
            continue
        yield DeleteHostAddress(actual.link.index, old)
        for mate in desired.addresses if old.family is Family.IPV4 else ():
            if mate.interface.network == old.interface.network:
                yield AddHostAddress(actual.link.index, _to_add(mate))
