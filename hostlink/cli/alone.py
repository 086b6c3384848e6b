"""What a verb can tell when no daemon answers: from the files that it keeps, and from the kernel. Nothing is touched.

The folder is the configuration's, or the default one where there is no configuration to be read.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hostlink.cli.client import UnreachableError
from hostlink.cli.documents import clean
from hostlink.cli.exits import VerbError
from hostlink.defaults import JOURNAL_DIR

if TYPE_CHECKING:  # imported where they are used: a verb that finds its daemon does not wait for them
    from hostlink.journal import Takeover
    from hostlink.kernel.netlink import Netlink

VERSION = 1
_TAKEN = {
    "captured": "a takeover was begun, and where it stood is not known",
    "taken": "taken over, its path not proved yet",
    "proved": "taken over",
}
TO_DO = "`hostlink run` goes on from here; `hostlink release` gives the NIC back and holds it"
NOTHING = "no takeover is in the journal: the NIC is the host's"

Json = dict[str, Any]


def journal_folder(options: argparse.Namespace, error: UnreachableError) -> Path:
    """Where the journal is, by --config or by default.

    Raises VerbError where this user may not read it: nothing seen is not nothing there.
    """
    from hostlink.config import ConfigError, load_config

    try:
        folder = load_config(options.config).paths.journal
    except ConfigError:
        folder = Path(JOURNAL_DIR)
    if folder.exists() and not os.access(folder, os.R_OK | os.X_OK):
        raise VerbError(error.status, f"{error}; what it has left in {folder} cannot be read: try as root")
    return folder


def state_alone(options: argparse.Namespace, error: UnreachableError) -> Json:
    """The document of `state --json` without a daemon. It has `daemon`: null, which a daemon's has not."""
    import trio

    folder = journal_folder(options, error)
    return {
        "version": VERSION,
        "daemon": None,
        "why": str(error),
        "journal": str(folder),
        **trio.run(_from_disk_and_kernel, folder),
    }


async def _from_disk_and_kernel(folder: Path) -> Json:
    from hostlink import held
    from hostlink.journal import JournalError, journals_in
    from hostlink.kernel.netlink import open_netlink

    takeovers: list[Json] = []
    async with open_netlink() as host:
        for journal in journals_in(folder):
            try:
                takeover = journal.read()
            except JournalError as error:
                takeovers.append({"name": journal.path.stem, "refused": f"{error.problem.code}: {error}"})
                continue
            if takeover is not None:
                takeovers.append(await _takeover(host, takeover))
    holds = [
        {"name": one.uplink, "kind": one.kind.value, "reason": one.reason, "since": _iso(one.at_s)}
        for one in held.read_all(folder)
    ]
    return {"takeovers": takeovers, "holds": holds}


async def _takeover(host: Netlink, takeover: Takeover) -> Json:
    from hostlink.clock import boot_id
    from hostlink.kernel.snapshot import read_addresses, read_link

    name = takeover.capture.uplink
    link = await read_link(host, name)
    kernel = None
    if link is not None:
        addresses = [str(address.interface) for address in await read_addresses(host, link.index)]
        kernel = {"index": link.index, "up": link.up, "carrier": link.carrier, "addresses": addresses}
    return {
        "name": name,
        "phase": takeover.phase.value,
        "confirmed": takeover.confirm is None,
        "this_boot": takeover.boot_id == boot_id(),
        "host_link": takeover.host_link,
        "parking": takeover.parking.namespace,
        "kernel": kernel,
    }


def alone_text(document: Mapping[str, Any]) -> str:
    """The same for a person, a newline at its end."""
    lines = [f"no daemon: what follows is from {document['journal']} and the kernel"]
    for one in document["takeovers"]:
        lines += _takeover_lines(one)
    if not document["takeovers"]:
        lines.append(NOTHING)
    for one in document["holds"]:
        lines.append(f"{one['name']}  held since {one['since']}: {one['reason']}")
        lines.append("  to do     `hostlink resume` clears it")
    return "\n".join(clean(line) for line in lines) + "\n"


def _takeover_lines(one: Mapping[str, Any]) -> list[str]:
    if "refused" in one:
        return [f"{one['name']}  its journal is refused: {one['refused']}"]
    taken = _TAKEN[one["phase"]] if one["this_boot"] else "taken over before this boot: what is left is put away"
    lines = [f"{one['name']}  {taken}{'' if one['confirmed'] else ', and not confirmed'}"]
    kernel = one["kernel"]
    if kernel is None:
        lines.append(f"  kernel    the host has no interface {one['name']}")
    else:
        words = f"{'up' if kernel['up'] else 'down'}, {'carrier' if kernel['carrier'] else 'no carrier'}"
        lines.append(f"  kernel    link {kernel['index']}, {words}, {', '.join(kernel['addresses']) or 'no address'}")
    lines.append(f"  NIC       in namespace {one['parking']}, or on its way back")
    return [*lines, f"  to do     {TO_DO}"]


def _iso(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="seconds")
