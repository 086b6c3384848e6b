"""The other verbs, and the exit status of everything that goes wrong before a verb begins."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import venv
from pathlib import Path

import pytest
import trio

from hostlink import cli
from hostlink.cli.diagram import PATH_STEPS
from hostlink.core.shapes import StateText
from hostlink.core.table import STATES
from hostlink.held import held, keep, operators_hold
from hostlink.lock import acquire_lock
from hostlink.problems import REGISTER

from .conftest import FakeDaemon, document, hold, run_verb, uplink

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("argv", [[], ["explode"], ["state", "--no-such-option"], ["lab"], ["lab", "exec"]])
def test_wrong_usage_is_64(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(argv) == 64
    out, err = capsys.readouterr()
    assert out == ""
    assert "usage: hostlink" in err


def test_help_lists_the_verbs(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"  {verb} " in out for verb in cli.VERBS)


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([verb, "--help"]) == 0
    assert f"usage: hostlink {verb}" in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["run", "release", "guard"])
def test_a_bad_configuration_is_65_with_its_faults(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "hostlink.toml"
    config.write_text("[vpp]\nnamespace = 1\n")
    arguments = ["--runtime-dir", str(tmp_path)] if verb == "release" else []
    assert cli.main([verb, "--config", str(config), *arguments]) == 65
    err = capsys.readouterr().err
    assert "2 faults" in err
    assert "line 2: vpp.namespace" in err


async def test_state_needs_nothing_that_only_the_daemon_needs(daemon: FakeDaemon) -> None:
    code = (
        f"import sys; from hostlink import cli; cli.main(['state', '--runtime-dir', {str(daemon.runtime_dir)!r}]);"
        f"print([m for m in sys.modules if m in {NOT_FOR_STATE}])"
    )
    # -S: what an editable installation's own finder imports at the start is not ours.
    done = await trio.run_process([sys.executable, "-S", "-c", code], cwd=ROOT, capture_stdout=True)
    *text, modules = done.stdout.decode().splitlines()
    assert text[0].startswith("enp216s0f1  Steady")
    assert modules == "[]"


async def test_state_takes_at_most_three_times_a_bare_python(daemon: FakeDaemon, tmp_path: Path) -> None:
    """With its answer, and loosely: with a fifth more. In CPU time, the least of some runs, so that what else the
    machine does is not in it, and in an environment with nothing installed, whose start is bare indeed.
    """
    venv.create(tmp_path / "bare", with_pip=False)
    python = str(tmp_path / "bare/bin/python")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(tmp_path / "compiled")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    bare, state = ["-c", "pass"], ["-c", STATE, "state", "--runtime-dir", str(daemon.runtime_dir)]

    def ratio_of_runs() -> float:
        cpu_s(python, state, environment)  # compiles
        runs = [(cpu_s(python, bare, environment), cpu_s(python, state, environment)) for _ in range(12)]
        return min(state for _, state in runs) / min(bare for bare, _ in runs)

    ratio = await trio.to_thread.run_sync(ratio_of_runs)
    assert daemon.calls
    print(f"`hostlink state` takes {ratio:.2f} times a bare Python")
    assert ratio <= 3 * 1.2


STATE = "from hostlink.cli import entry; entry()"
"""As an installed `hostlink` has it."""
NOT_FOR_STATE = (
    "trio",
    "pyroute2",
    "vpp_papi",
    "transitions",
    "dataclasses",
    "typing",
    "pathlib",
    "shutil",
    "shtab",
    "PIL",
    "rich",
)


def cpu_s(python: str, arguments: list[str], environment: dict[str, str]) -> float:
    """User and system time of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([python, *arguments], env=environment, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize("verb", cli.QUICK)
def test_a_quick_end_loses_no_words_and_no_status(verb: str, tmp_path: Path) -> None:
    """Through a pipe, where nothing is written before the end."""
    arguments = [verb, "--runtime-dir", str(tmp_path)] if verb != "explain" else [verb]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-m", "hostlink", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if verb == "explain":
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.endswith(f"{REGISTER[max(REGISTER)].title}\n")
    else:
        assert (done.returncode, done.stdout) == (69, "")
        assert "no daemon answers" in done.stderr


def test_a_reader_that_leaves_is_no_traceback() -> None:
    done = subprocess.run(
        f"{sys.executable} -m hostlink explain | true", shell=True, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""


# ------------------------------------------------------------------------------------------------------------ release


async def release(daemon: FakeDaemon, *argv: str) -> int:
    return await run_verb("release", "--runtime-dir", str(daemon.runtime_dir), *argv)


async def test_release_returns_when_the_nic_is_back(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.on_release = lambda: daemon.show(document(uplink("Recovering", **hold("operator"))))

    async def give_back() -> None:
        await daemon.subscribed.wait()
        daemon.show(document(uplink("Detecting", **hold("operator"))))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(give_back)
        assert await release(daemon) == 0
    assert capsys.readouterr().out == "enp216s0f1 is the host's again\n"
    assert daemon.calls == ["io.hostlink.Release"]


async def test_release_that_left_something_undone_is_1_and_names_it(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    residue = {"code": "HL-406", "detail": "route 10.0.0.0/8", "to_do": "put it right"}
    daemon.show(document(uplink("Detecting", problems=[residue], **hold("operator"))))
    assert await release(daemon) == 1
    assert "not completely as it was: enp216s0f1: route 10.0.0.0/8: put it right" in capsys.readouterr().err


async def test_release_that_does_not_come_to_an_end_is_75(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.show(document(uplink("Recovering", **hold("operator"))))
    assert await release(daemon, "--timeout", "0.1") == 75
    assert "not released in 0.1 s: enp216s0f1 is in Recovering" in capsys.readouterr().err


async def test_release_finds_the_daemon_by_the_configuration(daemon: FakeDaemon, tmp_path: Path) -> None:
    config = tmp_path / "hostlink.toml"
    config.write_text(f'[[uplink]]\nmatch = {{ name = "eth0" }}\n[paths]\nruntime = "{daemon.runtime_dir}"\n')
    daemon.show(document(uplink("Detecting", **hold("operator"))))
    assert await run_verb("release", "--config", str(config)) == 0
    assert daemon.calls == ["io.hostlink.Release"]


# -------------------------------------------------------------------------------------------------------- resume, plan


async def test_resume_clears_the_hold(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run_verb("resume", "--runtime-dir", str(daemon.runtime_dir)) == 0
    assert "the hold is cleared" in capsys.readouterr().out


async def test_confirm_keeps_what_is_on_trial(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run_verb("confirm", "--runtime-dir", str(daemon.runtime_dir)) == 0
    assert capsys.readouterr().out == "confirmed: the takeover stays\n"
    assert daemon.calls == ["io.hostlink.Confirm"]


async def test_confirm_of_nothing_is_1(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.refusal = "no takeover waits for a confirmation"
    assert await run_verb("confirm", "--runtime-dir", str(daemon.runtime_dir)) == 1
    assert capsys.readouterr() == ("", "hostlink: the daemon: no takeover waits for a confirmation\n")


@pytest.mark.parametrize("argv", [["--confirm-within", "60"], ["--try", "--confirm-within", "0"]])
def test_a_time_to_confirm_is_for_a_try_and_some_seconds(argv: list[str]) -> None:
    assert cli.main(["run", *argv]) == 64


def test_resume_without_a_daemon_clears_what_is_held_on_disk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "hostlink.toml"
    paths = f'[paths]\nruntime = "{tmp_path}/run"\njournal = "{tmp_path}/journal"\n'
    config.write_text(f'[[uplink]]\nmatch = {{ name = "eth0" }}\n{paths}')
    resume = ["resume", "--runtime-dir", str(tmp_path), "--config", str(config)]
    assert cli.main(resume) == 69, "nothing is held: it is the daemon that is missed"
    keep(tmp_path / "journal", held("eth0", operators_hold()))
    with acquire_lock(tmp_path / "run"):
        assert cli.main(resume) == 1
    capsys.readouterr()
    assert cli.main(resume) == 0
    assert capsys.readouterr().out == "the hold of eth0 is cleared; no daemon runs: the next one takes over\n"
    assert list((tmp_path / "journal").iterdir()) == []


async def test_resume_that_is_refused_is_1_with_the_daemons_word(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.refusal = "nothing is held"
    assert await run_verb("resume", "--runtime-dir", str(daemon.runtime_dir)) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "hostlink: the daemon: nothing is held\n"


@pytest.mark.parametrize("verb", ["confirm", "resume", "plan", "diagram --current"])
def test_no_daemon_is_69(verb: str, tmp_path: Path) -> None:
    assert cli.main([*verb.split(), "--runtime-dir", str(tmp_path)]) == 69


# ---------------------------------------------------------------------------------------------------- explain, diagram


@pytest.mark.parametrize("name", [*REGISTER, "hl-204", "HL204", "hl_204", "204"])
def test_every_problem_can_be_explained(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", name]) == 0
    out = capsys.readouterr().out
    record = REGISTER[f"HL-{name[-3:]}"]
    assert out.startswith(f"{record.code}  {record.title} ({record.severity.value})\n  what ")
    assert "\n  to do " in out
    assert (f"when it has lasted {record.delay_s:g} s" in out) == (record.delay_s > 0)
    assert ("not while HL-" in out) == bool(record.depends_on)


@pytest.mark.parametrize("text", STATES.values(), ids=lambda text: text.title)
def test_every_state_can_be_explained(text: StateText, capsys: pytest.CaptureFixture[str]) -> None:
    """What it is, how long it usually is and may be, what to do, and where it leads."""
    assert cli.main(["explain", text.title.lower()]) == 0
    out = " ".join(capsys.readouterr().out.split())
    for part in (text.title, text.what, text.know, f"normal {text.normal}", f"to do {text.do}", "leads to", "at most"):
        assert part in out
    assert ("holds released by an operator: until an operator's resume" in out) == (text.title == "Detecting")


def test_explain_of_a_state_says_what_the_machine_allows(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", "Recovering"]) == 0
    assert cli.main(["explain", "Mirroring"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "at most 10 s first, for VPP to come back" in out
    assert "; 60 s for the NIC to be the host's again, read back; 2 s at a time for the next try" in out
    assert "at most 30 s without progress for no difference" in out
    assert "leads to Handover, Detecting" in out or "leads to Detecting, Handover" in out
    assert out.endswith("leads to Punting, Recovering")


def test_explain_alone_lists_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain"]) == 0
    out = capsys.readouterr().out
    assert all(code in out for code in REGISTER)
    assert all(text.title in out for text in STATES.values())
    assert "\nHL-204    error    VPP lacks a message\n" in out


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Stedy", "did you mean Steady?"),
        ("mirorring", "did you mean Mirroring?"),
        ("HL-2004", "did you mean HL-204 (VPP lacks a message) or "),
        ("HL-5O1", " or HL-501 (journal damaged)?"),
        ("20", "did you mean HL-"),
        ("nonsense", "`hostlink explain` lists them all"),
    ],
)
def test_explain_of_nothing_is_64_with_a_hint(name: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", name]) == 64
    assert hint in capsys.readouterr().err


def test_the_diagram_has_every_state_and_a_start(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["diagram"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["stateDiagram-v2", "    [*] --> Detecting"]
    for text in STATES.values():
        assert any(line.strip().startswith(f"{text.title} --> ") for line in lines)
        assert any(f"--> {text.title}:" in line for line in lines)
    assert any(line.startswith("    Capturing --> Handover: captured") for line in lines)
    assert not any("class " in line for line in lines)


async def test_the_diagram_marks_where_the_daemon_is(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    again = [("Capturing", "Capturing")] * PATH_STEPS
    moves = [("Detecting", "Capturing"), *again, ("Capturing", "Handover"), ("Steady", "Mirroring")]
    history = [{"from": start, "to": end, "quiet": start == "Steady"} for start, end in moves]
    daemon.show(document(uplink("Punting", history=history)))
    assert await run_verb("diagram", "--current", "--runtime-dir", str(daemon.runtime_dir)) == 0
    out = capsys.readouterr().out
    assert out.endswith("\n    class Punting current\n")
    assert [line.strip() for line in out.splitlines() if re.search(r": \[\d", line)] == [
        "Detecting --> Capturing: [1]<br/>inspected (clear to take)",
        "Capturing --> Handover: [2]<br/>captured",
    ]


async def test_of_several_uplinks_one_has_its_path_numbered(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    history = [{"from": "Capturing", "to": "Handover"}]
    daemon.show(document(uplink("Punting", history=history), uplink("Steady", name="eth1", history=history)))
    diagram = ["diagram", "--current", "--runtime-dir", str(daemon.runtime_dir)]
    assert await run_verb(*diagram) == 0
    out, err = capsys.readouterr()
    assert ("class Punting current" in out, "class Steady current" in out, "[1]" in out) == (True, True, False)
    assert "--uplink NAME" in err
    assert await run_verb(*diagram, "--uplink", "eth1") == 0
    out, err = capsys.readouterr()
    assert ("class Punting current" in out, "class Steady current" in out, "[1]" in out) == (False, True, True)
    assert err == ""
    assert await run_verb(*diagram, "--uplink", "eth9") == 1
    assert await run_verb("diagram", "--uplink", "eth1") == 64


@pytest.mark.parametrize(
    ("name", "begins"), [("a.svg", b"<svg "), ("a.png", b"\x89PNG"), ("a.dot", b"digraph"), ("a", b"stateDiagram")]
)
def test_the_diagram_is_of_the_kind_that_the_files_name_says(name: str, begins: bytes, tmp_path: Path) -> None:
    assert cli.main(["diagram", "--output", str(tmp_path / name)]) == 0
    assert (tmp_path / name).read_bytes().startswith(begins)
    assert cli.main(["diagram", "--output", str(tmp_path / name), "--format", "svg"]) == 0
    assert (tmp_path / name).read_bytes().startswith(b"<svg ")


def test_a_diagram_that_cannot_be_written_is_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["diagram", "--output", str(tmp_path / "no" / "a.svg")]) == 1
    assert "a.svg: No such file or directory" in capsys.readouterr().err


# ---------------------------------------------------------------------------------------------------------------- lab


@pytest.mark.skipif(os.geteuid() != 0, reason="the lab makes network namespaces, which takes root")
def test_the_lab_by_hand(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    name = f"cli-{os.getpid()}"
    try:
        assert cli.main(["lab", "up", "--name", name, "--veth", "--runtime-dir", str(tmp_path)]) == 0
        out = capfd.readouterr().out
        assert f"hl-{name}-host" in out
        assert f"hostlink run --config {tmp_path}/hostlink.toml" in out
        assert cli.main(["lab", "up", "--name", name]) == 1
        assert "is up already" in capfd.readouterr().err
        inside = [sys.executable, "-m", "hostlink", "lab", "exec", "--name", name]
        done = subprocess.run([*inside, "host", "--", "ip", "-br", "addr"], cwd=ROOT, capture_output=True, text=True)
        assert "192.168.0.1/24" in done.stdout
        done = subprocess.run([*inside, f"hl-{name}-pod", "false"], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 1
    finally:
        assert cli.main(["lab", "down", "--name", name]) == 0
    assert f"hl-{name}-host" in capfd.readouterr().out
    assert cli.main(["lab", "down", "--name", name]) == 0
    assert "nothing to remove" in capfd.readouterr().out


@pytest.mark.skipif(os.geteuid() != 0, reason="the lab makes network namespaces, which takes root")
def test_the_labs_configuration_is_one_that_hostlink_takes(tmp_path: Path) -> None:
    from hostlink.config import load_config

    name = f"cfg-{os.getpid()}"
    try:
        assert cli.main(["lab", "up", "--name", name, "--runtime-dir", str(tmp_path)]) == 0
    finally:
        cli.main(["lab", "down", "--name", name])
    config = load_config(tmp_path / "hostlink.toml")
    assert config.vpp.namespace == f"hl-{name}-vpp"
    assert config.uplinks[0].host_link == "tap"
    assert config.paths.runtime == tmp_path


@pytest.mark.parametrize("namespace", ["eth0", "default", "../x"])
def test_lab_exec_enters_only_namespaces_of_a_lab(namespace: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["lab", "exec", namespace, "--", "true"]) == 64
    assert "is no namespace of a lab" in capsys.readouterr().err


def test_lab_exec_in_a_lab_that_is_not_up_is_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["lab", "exec", "--name", "absent", "host", "--", "true"]) == 1
    assert "is the lab up" in capsys.readouterr().err


def test_a_lab_of_an_impossible_name_is_64(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["lab", "up", "--name", "../x"]) == 64
    assert "1 to 40 of a-z" in capsys.readouterr().err
