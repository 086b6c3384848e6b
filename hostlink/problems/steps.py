"""Steps that failed, and what was lost (HL-401 to HL-412, HL-420)."""

from __future__ import annotations

from hostlink.problems.record import Record, Severity

_ERROR, _WARNING = Severity.ERROR, Severity.WARNING

STEPS = (
    Record(
        "HL-401",
        "a step failed on the host",
        _ERROR,
        "the kernel refused an operation of the takeover. The NIC is given back, and hostlink does not try again by "
        "itself.",
        "mend what the detail names, then `hostlink resume`",
    ),
    Record(
        "HL-402",
        "a step failed in VPP",
        _ERROR,
        "VPP refused a message of the takeover, or answered what cannot be before the takeover was proved. The NIC is "
        "given back, and hostlink does not try again by itself.",
        "mend what the detail names (VPP's own log says more), then `hostlink resume`",
    ),
    Record(
        "HL-403",
        "deadline passed",
        _ERROR,
        "a step took longer than it may, or got no further for so long. The NIC is given back, and hostlink does not "
        "try again by itself.",
        "see whether VPP hangs (`vppctl show threads`) or the machine is overloaded, then `hostlink resume`",
    ),
    Record(
        "HL-404",
        "VPP lost",
        _ERROR,
        "VPP's API socket closed, does not answer, or answers what no VPP does. The NIC goes back to the host, and is "
        "taken again when VPP is back.",
        "see `systemctl status vpp` and VPP's log",
        delay_s=1,
    ),
    Record(
        "HL-405",
        "uplink lost",
        _ERROR,
        "the NIC or the host's interface has gone. What is left is put back, and hostlink waits for the uplink.",
        "see `dmesg` for the NIC's driver, or who removed the interface",
        delay_s=1,
    ),
    Record(
        "HL-406",
        "not everything could be given back",
        _ERROR,
        "the NIC is back, and read back; what the detail names is not as it was before.",
        "put it right by hand, for instance by `ip route add …`",
    ),
    Record(
        "HL-407",
        "the path is not proved",
        _ERROR,
        "what answered before the takeover (the gateways, and the configuration's `probes`) has not answered after it "
        "within confirm_s, or not when VPP had come back. The NIC is given back, and hostlink does not try again by "
        "itself, unless retry_s says so.",
        "see `show errors` and `show ip punt redirect` in VPP, then `hostlink resume`",
    ),
    Record(
        "HL-408",
        "give-back failed, being tried again",
        _ERROR,
        "a give-back failed or took too long. It is tried again; the journal still has all it needs.",
        "mend what the detail names; `hostlink release` tries once more at once",
    ),
    Record(
        "HL-409",
        "the host changes faster than it can be captured",
        _WARNING,
        "the uplink's addresses or routes changed while they were being read, again and again. Nothing was touched.",
        "see `ip monitor` for who changes them",
        delay_s=5,
    ),
    Record(
        "HL-410",
        "it does not become what it should be",
        _ERROR,
        "operations succeeded, and reading back shows that something still differs, round after round. Another program "
        "works against hostlink, or something takes what it is given differently. The NIC is given back, and hostlink "
        "does not try again by itself.",
        "the detail says what differs; find out who else sets it (`ip monitor`, VPP's other clients), then "
        "`hostlink resume`",
    ),
    Record(
        "HL-411",
        "hostlink's interface in VPP has gone",
        _ERROR,
        "an interface that hostlink made in VPP, and knows by its tag, was deleted each time that hostlink had put it "
        "back, several times in a minute. The NIC is given back, and hostlink does not try again by itself.",
        "find out which client of VPP deletes interfaces or tags, then `hostlink resume`",
        depends_on=("HL-404",),
    ),
    Record(
        "HL-412",
        "a gateway or probe does not answer",
        _WARNING,
        "what answered before the takeover, and after it, does not answer at present. Nothing is changed for that.",
        "see whether the gateway is up; compare with another host on the same network",
    ),
    Record(
        "HL-420",
        "somebody deletes the host's interface again and again",
        _ERROR,
        "the host's interface was deleted each time that hostlink had put it back, several times in a minute. The NIC "
        "is given back, and hostlink does not try again by itself.",
        "find out who deletes it (`ip monitor link`; a network manager that removes interfaces it did not make: "
        "networkd's ManageForeign…, NetworkManager's device list), then `hostlink resume`",
    ),
)
