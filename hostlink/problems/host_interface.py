"""The host's interface and the NIC behind it, while an uplink is taken (HL-304, HL-305, HL-320 on)."""

from __future__ import annotations

from hostlink.problems.record import Record, Severity

_WARNING = Severity.WARNING

HOST_INTERFACE = (
    Record(
        "HL-304",
        "the host's interface was missing or down",
        _WARNING,
        "somebody removed the host's interface or set it down. VPP was left as it was, and the interface put back.",
        "find out who did it (the detail says when); while it lasts, the host is cut off",
    ),
    Record(
        "HL-305",
        "the NIC does not take the MTU",
        _WARNING,
        "the host's interface was given an MTU that the NIC in VPP's namespace refuses. VPP stays at the NIC's: one "
        "larger packet would stop its transmit ring.",
        "set the host's interface to an MTU that the NIC can have",
    ),
    Record(
        "HL-320",
        "somebody works against hostlink on the host's interface",
        _WARNING,
        "the host's interface must have the NIC's name and MAC. Something sets them otherwise each time that hostlink "
        "has put them right, so hostlink has stopped for a minute. With another MAC the host is cut off meanwhile.",
        "of a MAC: see udev's `MACAddressPolicy=` (systemd.link(5), /etc/systemd/network/*.link), NetworkManager's "
        "`cloned-mac-address`, and networkd's `MACAddress=`; of a name: udev rules with `NAME=`. `udevadm monitor` and "
        "`ip monitor link` show when it happens",
    ),
    Record(
        "HL-321",
        "the NIC has no carrier",
        _WARNING,
        "the NIC's cable or its peer is down. The host's interface shows no carrier either, as the NIC itself would, "
        "and gets it back with the NIC.",
        "see the cable and the switch's port; `ip -n NAMESPACE link show NAME` shows the NIC in VPP's namespace",
        delay_s=1,
    ),
    Record(
        "HL-322",
        "the name of the host's interface is another's",
        _WARNING,
        "another interface has the NIC's name, or has it as an altname. hostlink has left it alone; the host's "
        "interface works under the name that the detail says, and gets its own as soon as that is free.",
        "remove or rename the other interface (`ip link show NAME` shows it)",
    ),
    Record(
        "HL-323",
        "the host's interface changes faster than it can be read",
        _WARNING,
        "something changes the host's interface or its addresses without a pause, so no whole picture of it can be "
        "had. VPP keeps what it has, and gets what the host has as soon as that can be read.",
        "see `ip monitor link address` for what changes; the detail names the interface",
        delay_s=1,
    ),
)
