"""The host before a takeover: what the preflight finds of the NIC, the kernel and other programs (HL-1xx)."""

from __future__ import annotations

from hostlink.problems.record import Record, Severity

_ERROR, _WARNING, _NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE

HOST = (
    Record(
        "HL-101",
        "not enough rights",
        _ERROR,
        "hostlink moves interfaces between namespaces and opens packet sockets, which takes root, or the capabilities "
        "that the detail names. Without them nothing was started.",
        "run it as root, or give the unit the capabilities (CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN)",
    ),
    Record(
        "HL-102",
        "uplink absent",
        _ERROR,
        "no interface of the host fits the configuration's match. hostlink waits and takes it when it appears.",
        "compare `ip -details link` with `match` of the configuration; is the NIC's driver loaded, or does another "
        "program (vfio, DPDK, a container) hold it?",
        delay_s=5,
    ),
    Record(
        "HL-103",
        "uplink is a loopback interface",
        _ERROR,
        "a loopback interface has no wire, so VPP cannot serve it. Nothing was touched.",
        "name the NIC in `match`",
    ),
    Record(
        "HL-104",
        "uplink is a port of a bridge or bond",
        _ERROR,
        "the interface belongs to a bridge or bond, which would lose it without being told. Nothing was touched.",
        "take the bridge or bond apart first, or match an interface that stands alone",
    ),
    Record(
        "HL-105",
        "uplink is hostlink's own interface",
        _ERROR,
        "the match finds an interface that hostlink itself made for another takeover. Nothing was touched.",
        "match by mac or pci with the NIC released (`hostlink release`), or see why an old interface was left behind",
    ),
    Record(
        "HL-106",
        "uplink is a bridge, bond or another virtual interface",
        _ERROR,
        "the interface has no frames of its own that a driver could hand to VPP. Nothing was touched.",
        "match the NIC below it",
    ),
    Record(
        "HL-107",
        "several interfaces fit",
        _ERROR,
        "more than one interface fits the match, and the wrong one would cut the node off. Nothing was touched.",
        "match by pci or name, which fit one interface only",
    ),
    Record(
        "HL-108",
        "uplink is down",
        _NOTE,
        "the uplink was down when it was found. It is taken as it is, and comes up with the host's interface.",
        "set it up, if it should be: `ip link set NAME up`",
        delay_s=5,
    ),
    Record(
        "HL-109",
        "uplink has no address",
        _NOTE,
        "the uplink has no global address. It is taken as it is; addresses that come later are mirrored.",
        "see whether the DHCP client or network manager does its work on the interface",
        delay_s=15,
    ),
    Record(
        "HL-110",
        "name clash",
        _ERROR,
        "the name that the host's interface or the parked NIC needs belongs to another interface already, as a name or "
        "as an altname. Nothing was touched.",
        "rename or remove the interface that the detail names, or its altname",
    ),
    Record(
        "HL-111",
        "no way to make the host's interface",
        _ERROR,
        "host_link `tap` needs /dev/net/tun here and /dev/vhost-net for VPP; one of them is absent. Nothing was "
        "touched.",
        'load the modules (`modprobe tun vhost_net`), or set host_link = "veth"',
    ),
    Record(
        "HL-112",
        "another hostlink runs",
        _ERROR,
        "the lock of the runtime folder is held by the process that the detail names. This one has touched nothing.",
        "see what the other one does by `hostlink state`, or stop it first",
    ),
    Record(
        "HL-113",
        "two uplinks mean one interface",
        _ERROR,
        "an entry of the configuration finds an interface that another entry has already. It is left to the other; "
        "nothing was touched.",
        "take one of the two [[uplink]] entries out, or match by what only one interface has (pci, name)",
    ),
    Record(
        "HL-114",
        "the kernel takes no packet programs",
        _ERROR,
        "what the host speaks with its link (DHCP, neighbours, router advertisements, multicast) goes around VPP by "
        "small eBPF programs at tc, and this kernel refuses them. Nothing was touched.",
        "use a kernel with CONFIG_BPF_SYSCALL, CONFIG_NET_SCH_INGRESS and CONFIG_NET_CLS_BPF (every distribution's "
        "has them), and see whether a security module forbids bpf(2)",
    ),
    Record(
        "HL-115",
        "a program listens on the NIC by packet socket",
        _WARNING,
        "the program that the detail names has a packet socket on the uplink. Such a socket is bound to the number of "
        "the interface and hears nothing any more when the host's interface takes the NIC's place, and again when the "
        "NIC comes back. udhcpc, systemd-networkd and tcpdump begin anew or end; dhclient 4.4 lets its lease run out.",
        "restart the program after the takeover, and after a give-back; with its lease file a DHCP client asks for the "
        "same address",
    ),
    Record(
        "HL-116",
        "something on the NIC does not come back",
        _WARNING,
        "the kernel takes what the detail names from an interface that moves to another namespace, and no other "
        "interface can have it: classful queueing, tc filters, MACs of the device's filter. A takeover goes on without "
        "it, and give-back does not restore it. Of nexthop objects only the routes come back, with plain next hops.",
        "write down what makes it, to run that again on the host's interface and after a give-back; or take it off",
    ),
    Record(
        "HL-117",
        "networkd file does not match the host's interface",
        _WARNING,
        "the .network file of systemd-networkd that manages the NIC asks for what the host's interface will not "
        "have: a permanent MAC, the NIC's driver or kind, a PCI path. Networkd would let go of it: no lease is "
        "renewed, and the node loses its addresses hours after a takeover that looked well.",
        "match by `Name=` or `MACAddress=` in that file, alone (systemd.network(5)); then `networkctl reload`",
    ),
    Record(
        "HL-118",
        "profile of NetworkManager does not fit the host's interface",
        _WARNING,
        "NetworkManager manages the NIC by what the host's interface will not have: a permanent MAC, its driver or "
        "path. And a profile of type ethernet is for no tap. NetworkManager would leave the host's interface as it "
        "is: no lease is renewed, and the node loses its addresses hours after a takeover that looked well.",
        'set host_link = "veth" and have the profile go by `interface-name` alone (no `mac-address`, no `[match]`), '
        "and `unmanaged-devices` by `interface-name:`; or give the NIC to another manager",
    ),
    Record(
        "HL-119",
        "netplan matches by more than the name",
        _WARNING,
        "a netplan file has a `match:` with the NIC's driver or MAC. What netplan makes of it (PermanentMACAddress=, "
        "Driver=) does not match the host's interface. Found by a look at the text: netplan itself was not asked.",
        "name the interface by its key (`ethernets: NAME:`) without `match:` and `set-name:`; then `netplan generate`",
    ),
    Record(
        "HL-120",
        "another name or MAC is configured for the host's interface",
        _WARNING,
        "the host's interface must have the NIC's name and MAC. What the detail names gives it others, when it "
        "appears or is set up. hostlink puts it right again and again (HL-320); with another MAC the host is cut off "
        "meanwhile.",
        "take the setting out, or have it match nothing of the host's interface",
    ),
    Record(
        "HL-121",
        "udev may give the host's interface a MAC when it appears",
        _NOTE,
        "a .link file with MACAddressPolicy=persistent (every systemd has 99-default.link) applies to a new tap, and "
        "udev may be later than hostlink. hostlink sees it and sets the NIC's MAC again at once.",
        "nothing; or keep udev from it by a .link file that sorts before that one: `[Match]` `OriginalName=hl*`, "
        "`[Link]` `MACAddressPolicy=none` (systemd.link(5))",
    ),
    Record(
        "HL-122",
        "uplink's MTU is too small for IPv6 towards the cluster",
        _WARNING,
        "IPv6 needs 1280 bytes (RFC 8200, 5), and the uplink's MTU less `cluster.encap_overhead` is below that: what "
        "the cluster's IPv6 routes carry would not pass.",
        "raise the uplink's MTU, or lower `encap_overhead` to what the encapsulation takes",
    ),
    Record(
        "HL-123",
        "hold stands against a takeover",
        _ERROR,
        "an operator released the uplink, or a takeover of it failed. No daemon takes it over while the hold stands, "
        "over restarts and reboots; nothing was touched since.",
        "cure the reason that the detail gives, then `hostlink resume`",
    ),
    Record(
        "HL-124",
        "takeover of an uplink that is not in the configuration",
        _ERROR,
        "the journal has a takeover of an interface that no [[uplink]] of the configuration means any more. A daemon "
        "does not start over it, because nobody would give that NIC back; nothing was touched by this one.",
        "run `hostlink release`, or put the [[uplink]] back",
    ),
)
