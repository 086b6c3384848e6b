"""Which release a VPP is: it says so by `--version` (26.06), or, where it does not know that (25.10), when it runs."""

from __future__ import annotations

import re
import subprocess
import tempfile
from functools import partial
from pathlib import Path

import trio

from hostlink.lab.network import Lab, batches
from hostlink.lab.real_vpp import VppDidNotStart, running_vpp
from hostlink.vpp.session import open_session


def release_of(vpp: str) -> str | None:
    """The release that a VPP says it is, `26.06-release`, as `show version` has it; None when it does not run."""
    done = subprocess.run([vpp, "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"\bvpp v(\S+)", done.stdout)
    if done.returncode == 0 and found:
        return found[1]
    try:
        return trio.run(partial(_ask, vpp))
    except VppDidNotStart:
        return None


async def _ask(vpp: str) -> str:
    """Starts it in a namespace of its own, for a second. Raises VppDidNotStart."""
    namespace = Lab().vpp  # a name that is known to be left over when we are killed
    batches([(None, [f"netns add {namespace}"])])
    try:
        with tempfile.TemporaryDirectory(prefix="hl-release-") as folder:
            async with (
                running_vpp(vpp, namespace, Path(folder)) as running,
                open_session(running.api_socket) as session,
            ):
                return str((await session.request("show_version")).version)
    finally:
        batches([(None, [f"netns del {namespace}"])])
