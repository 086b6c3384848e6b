"""tools/demo on a terminal: the live view is seen at work, and the terminal is left as it was."""

from __future__ import annotations

import os

import pytest

from tests.cli.terminal import terminal

TAKES_S = 120.0
SEEN = ("Steady", "Recovering")
"""Each stands for a second and more; what comes between may be too short to be seen."""


@pytest.mark.system
@pytest.mark.timeout(600)
@pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces: as root")
async def test_on_a_terminal_the_live_view_is_seen_at_work() -> None:
    seen: set[str] = set()

    def is_over() -> bool:
        if shown.alternate:
            seen.update(state for state in SEEN if f"  {state}  since" in shown.text)
        return shown.process.poll() is not None

    async with terminal(["-m", "tools.demo"], 100, 40) as shown:
        await shown.until(is_over, "the demo's end", TAKES_S)
        assert await shown.ended() == 0, shown.text
    assert seen == set(SEEN)
    assert not shown.alternate
    assert not shown.cursor_hidden
    assert shown.text.endswith("demo: OK")
    assert "it ended the connection" in shown.text.replace("\n", "")
