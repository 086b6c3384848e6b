"""The journal and the holds beside it (HL-5xx)."""

from __future__ import annotations

from hostlink.problems.record import Record, Severity

_ERROR, _WARNING = Severity.ERROR, Severity.WARNING

JOURNAL = (
    Record(
        "HL-501",
        "journal damaged",
        _ERROR,
        "the journal is torn, altered, or not complete. It is not acted on: nothing was touched.",
        "compare the node's network with what it should be, mend it by hand, then move the file away",
    ),
    Record(
        "HL-502",
        "journal foreign",
        _ERROR,
        "the file in the journal's place is not hostlink's, or others could have written to it. It is not acted on.",
        "move the file away if it is not hostlink's; see who may write to the folder",
    ),
    Record(
        "HL-503",
        "journal of a newer hostlink",
        _ERROR,
        "the journal was written by a newer hostlink than this one. It is not acted on.",
        "run the newer hostlink, or let that one release the uplink before the older is installed",
    ),
    Record(
        "HL-504",
        "journal cannot be read",
        _ERROR,
        "the system refused to let hostlink read the journal. Nothing was touched.",
        "see the folder's owner and mode, and the disk",
    ),
    Record(
        "HL-505",
        "journal cannot be written",
        _ERROR,
        "without a durable journal there is no way back, so nothing is taken over. Nothing was touched.",
        "make room on the disk or make it writable, then `hostlink resume`",
    ),
    Record(
        "HL-506",
        "journal overtaken",
        _ERROR,
        "the journal is not the one that this hostlink wrote last: another one acts on this node.",
        "find out which hostlink runs (`hostlink state`), and stop one of them",
    ),
    Record(
        "HL-510",
        "hold cannot be read",
        _ERROR,
        "beside the journal there is a hold of an earlier run (`<interface>.held`) that is torn, foreign, or of a "
        "newer hostlink. Why it was held is not known, so nothing is taken over.",
        "see the log of the earlier run; `hostlink resume` clears it",
    ),
    Record(
        "HL-511",
        "hold cannot be kept",
        _WARNING,
        "the hold could not be written to disk, or not removed from it: it would not outlive the daemon, or outlive a "
        "resume.",
        "make room on the disk or make it writable; after that a restart of the daemon, `hostlink release` or `resume` "
        "says it anew",
    ),
)
