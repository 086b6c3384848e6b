"""Takeovers that nobody has confirmed, and the guard (HL-413 to HL-419)."""

from __future__ import annotations

from hostlink.problems.record import Record, Severity

_ERROR, _WARNING, _NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE

TRIAL = (
    Record(
        "HL-413",
        "the guard gave the NIC back",
        _ERROR,
        "a takeover was not confirmed in time, and the daemon did not give the NIC back either: it was hung, or gone. "
        "The guard (hostlink-guard.service) ended it and gave the NIC back from the journal. hostlink does not try "
        "again by itself.",
        "see the daemon's log for why it hung or died (`journalctl -u hostlink`), then `hostlink resume`",
    ),
    Record(
        "HL-414",
        "no guard watches the takeover",
        _WARNING,
        "hostlink-guard does not run. A takeover that is not confirmed yet would not be given back if this daemon hung "
        "or died now.",
        "`systemctl enable --now hostlink-guard`, or run `hostlink guard` beside the daemon",
    ),
    Record(
        "HL-415",
        "nobody confirmed the takeover",
        _ERROR,
        "hostlink was run with --try, and `hostlink confirm` did not come in time. The NIC is given back, and hostlink "
        "does not try again by itself.",
        "`hostlink resume` tries again; a daemon that is run without --try takes over for good after it",
    ),
    Record(
        "HL-416",
        "the takeover waits for a person",
        _NOTE,
        "hostlink was run with --try: the path is proved, and without `hostlink confirm` the NIC goes back at the time "
        "that the detail says.",
        "see whether all that you need works, then `hostlink confirm`",
    ),
    Record(
        "HL-417",
        "the node went down during a takeover",
        _ERROR,
        "the node went down, or was reset, before its takeover was confirmed. After the boot the NIC is the host's "
        "own; hostlink does not try again by itself.",
        "see the journal of the earlier boot for why it went down (`journalctl -b -1`), then `hostlink resume`",
    ),
    Record(
        "HL-418",
        "something on the NIC did not come back",
        _WARNING,
        "the NIC is back, and read back, but for what the detail names: it was on the NIC before the takeover, or on "
        "the host's interface at the end, and the kernel takes it from an interface that leaves (HL-116).",
        "run again what had made it: `tc …`, `bridge fdb add … self`, `ip nexthop add …`, `ip token set …`",
    ),
    Record(
        "HL-419",
        "daemons died over the takeover",
        _ERROR,
        "one hostlink daemon after another died before the takeover was confirmed: a bug of hostlink's, or something "
        "that kills it. The NIC is given back, and hostlink does not try again by itself.",
        "see what ended them (`journalctl -u hostlink`: a traceback is a bug to report; `dmesg` for memory that ran "
        "out), then `hostlink resume`",
    ),
)
