"""What `tools/fuzz` throws for long, thrown for a moment: the same inputs each time. And that it finds something."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tools.fuzzing.engine import Hang, Target, findings, inputs, mutated, try_one
from tools.fuzzing.main import fuzz, main
from tools.fuzzing.targets import TARGETS

SEED = 1
INPUTS = {"vpp-session": 25, "vpp-definitions": 40, "control": 60}
INPUTS |= {"journal": 40, "journal-body": 60, "journal-edits": 40, "held": 80, "config": 200}
"""Those that take milliseconds each; of all others MANY."""
MANY = 400


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_is_found(name: str) -> None:
    """No crash, no hang: VPP's answers (F53, F55, F57), the kernel's messages, files (F11), clients."""
    found = {finding.place: finding for finding in findings(TARGETS[name], SEED, range(INPUTS.get(name, MANY)))}
    assert not found, "\n\n".join(map(str, found.values()))


@pytest.mark.parametrize("name", TARGETS)
def test_an_input_is_made_again_from_its_number_and_seed(name: str) -> None:
    target = TARGETS[name]
    made = dict(inputs(target, SEED, range(20)))
    assert dict(inputs(target, SEED, [7, 19])) == {7: made[7], 19: made[19]}
    assert dict(inputs(target, SEED + 1, range(20))) != made
    assert len(set(made.values())) > 10


def _odd(data: bytes) -> None:
    if len(data) % 2:
        raise ZeroDivisionError(len(data))


def test_a_finding_comes_with_its_input_and_counts_once(capsys: pytest.CaptureFixture[str]) -> None:
    found = fuzz([Target("odd", _odd, mutated(lambda: [b"even"]))], seed=3, seconds=0.2)
    (finding,) = found.values()
    assert len(finding.data) % 2 == 1
    assert finding.place.startswith("ZeroDivisionError at tests/tools/test_fuzz.py:")
    assert capsys.readouterr().out.count(f"tools/fuzz --input odd {finding.data.hex()}") == 1


def test_an_input_that_takes_too_long_is_a_finding() -> None:
    def never_ends(_: bytes) -> None:
        while True:
            with suppress(Exception):  # as pyroute2 does
                list(range(1000))

    outcome = try_one(Target("long", never_ends, lambda _: b""), b"", limit_s=0.2)
    assert outcome is not None
    assert outcome[0].startswith(Hang.__name__)


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).resolve().parents[2]
    return subprocess.run([sys.executable, "-m", "tools.fuzzing", *arguments], cwd=root, capture_output=True, text=True)


def test_the_command_throws_and_throws_again() -> None:
    ran = command("vpp-stream", "--minutes", "0.01", "--seed", "4")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "seed 4, 1 targets" in ran.stdout
    assert command("--input", "vpp-stream", "00ff").stdout == "nothing found\n"


@pytest.mark.parametrize("arguments", [["no-such"], ["--input", "vpp-stream", "xyz"], ["--input", "no-such", "00"]])
def test_what_it_does_not_know_is_a_usage_error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="64"):
        main(arguments)
    assert "fuzz: " in capsys.readouterr().err
