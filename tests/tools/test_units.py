"""The units of contrib/systemd are what systemd takes them for."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "contrib/systemd"
UNITS = sorted([*FOLDER.glob("*.service"), *FOLDER.glob("*.target")])
EXPOSED_AT_MOST = 40
"""Tenths, of systemd-analyze's exposure level."""
UNPACKED = ROOT / ".venv/debian"


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze", path=f"{UNPACKED}/usr/bin{os.pathsep}{os.environ['PATH']}")
    if program is None:
        pytest.fail("no systemd-analyze: tools/setup.sh unpacks it into .venv/debian")
    libraries = [
        str(path) for path in UNPACKED.glob("*/**/") if path.name.endswith("-linux-gnu") or path.name == "systemd"
    ]
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": ":".join(libraries),
        "SYSTEMD_UNIT_PATH": f"{ROOT}/contrib/systemd:",
    }
    return subprocess.run([program, *arguments], capture_output=True, text=True, env=environment)


def verify(*units: Path) -> str:
    """What `systemd-analyze verify` has against them: nothing where they are clean. Its exit status says too little."""
    done = analyze("verify", *map(str, units))
    return done.stdout + done.stderr


def test_each_unit_is_clean() -> None:
    assert len(UNITS) == 5
    assert verify(*UNITS) == ""


def test_a_fault_would_be_seen(tmp_path: Path) -> None:
    faulty = tmp_path / "hostlink.service"
    faulty.write_text(
        (ROOT / "contrib/systemd/hostlink.service").read_text().replace("Restart=always", "Restart=often")
    )
    assert "often" in verify(faulty)


@pytest.mark.parametrize("unit", ["hostlink", "hostlink-guard"])
def test_what_runs_for_long_is_as_closed_as_can_be(unit: str) -> None:
    path = FOLDER / f"{unit}.service"
    done = analyze("security", "--offline=true", f"--threshold={EXPOSED_AT_MOST}", "--no-pager", str(path))
    assert done.returncode == 0, done.stdout[-300:]
    assert "Overall exposure level" in done.stdout
