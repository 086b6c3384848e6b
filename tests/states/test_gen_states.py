"""The generator refuses a table with a gap, each with its own words, and makes the same from the same."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hostlink.cli.diagram import draw, machine
from hostlink.problems import REGISTER
from tools.gen_states.faults import faults
from tools.gen_states.main import main, render
from tools.gen_states.spec import ShapeError, read

ROOT = Path(__file__).parents[2]
SOURCE = (ROOT / "states/uplink.toml").read_text()


def edited(old: str, new: str, text: str = SOURCE) -> str:
    """The file with one passage changed; the passage must be there, once."""
    assert text.count(old) == 1, f"{text.count(old)} times in the file: {old}"
    return text.replace(old, new)


def refused(text: str) -> list[str]:
    return faults(read(text))


def test_the_file_as_it_is_has_no_fault() -> None:
    assert refused(SOURCE) == []


STATE = """
[states.flying]
title = "Flying"
what = "x"
know = "x"
normal = "x"
do = "x"
wait_s = 1.0
waiting = "x"
"""


def test_exactly_the_seven_states() -> None:
    seven = "there are exactly these seven: detecting, capturing, handover, mirroring, punting, steady, recovering"
    assert refused(SOURCE + STATE) == [f"state `flying` is one too many: {seven}"]
    renamed = SOURCE.replace("[states.steady]", "[states.flying]")
    assert refused(renamed)[:2] == [f"state `steady` is missing: {seven}", f"state `flying` is one too many: {seven}"]
    assert refused(edited('initial = "detecting"', 'initial = "flying"')) == ["initial: unknown state `flying`"]


GRID_OF_NAMES: list[tuple[str, str, str]] = [
    (
        'on = "captured"\nto = "handover"',
        'on = "captured"\nto = "handoever"',
        "capturing x captured: unknown state `handoever`",
    ),
    ('guard = "adoptable"', 'guard = "adoptible"', "detecting x inspected: unknown guard `adoptible`"),
    (
        'does = ["begin_audit"]\nwhy = "audit"',
        'does = ["begin_odit"]\nwhy = "audit"',
        "steady x deadline_passed: unknown action `begin_odit`",
    ),
    ('on = "captured"\nto', 'on = "capturd"\nto', "capturing x capturd: unknown trigger `capturd`"),
    ('step = "punt"', 'step = "pnt"', "states.punting: unknown step `pnt`"),
    (
        'state = "capturing"\non = ["vpp_changed", "vpp_found"]',
        'state = "captured"\non = ["vpp_changed"]',
        "captured x vpp_changed: unknown state `captured`",
    ),
]


@pytest.mark.parametrize(("old", "new", "fault"), GRID_OF_NAMES)
def test_unknown_names(old: str, new: str, fault: str) -> None:
    assert refused(edited(old, new)) == [fault]


END = "end it with a row without a guard, [[ignored]] or [[refused]]"
CELLS: list[tuple[str, str, str, list[str]]] = [
    (
        "undecided by nothing",
        'on = ["vpp_changed", "vpp_found"]\nreason = "nothing of VPP',
        'on = "vpp_changed"\nreason = "nothing of VPP',
        [f"capturing x vpp_found is undecided (by nothing): {END}"],
    ),
    (
        "undecided where no guard holds",
        'does = ["keep_changes", "mark_proved"]\nwhy = "the path',
        'does = ["keep_changes", "mark_proved"]\nguard = "stopping"\nwhy = "the path',
        [f"punting x path_proved is undecided (where no guard holds): {END}"],
    ),
    (
        "a row and ignored",
        'reason = "VPP was not lost"',
        'reason = "VPP was not lost"\n\n[[ignored]]\nstate = "steady"\non = "vpp_lost"\nreason = "x"',
        ["steady x vpp_lost is decided twice: a row without a guard and ignored"],
    ),
    (
        "ignored and refused",
        'reason = "VPP was not lost"',
        'reason = "VPP was not lost"\n\n[[refused]]\nstate = "steady"\non = "vpp_found"\nmessage = "x"',
        ["steady x vpp_found is decided twice: ignored and refused"],
    ),
    (
        "refused twice",
        'reason = "VPP was not lost"',
        'reason = "VPP was not lost"\n\n[[refused]]\nstate = "steady"\non = "captured"\nmessage = "x"',
        ["steady x captured is decided twice: refused and refused"],
    ),
    (
        "the same guard twice",
        'guard = "audit_found_nothing"',
        'guard = "dirty"',
        [
            "punting x path_proved is decided twice: two rows with the guard `dirty`",
            "guard `audit_found_nothing` is used nowhere",
        ],
    ),
    (
        "a hidden row",
        'guard = "adoptable"\n',
        "",
        [
            "detecting x inspected: a row without a guard hides the 8 after it",
            "guard `adoptable` is used nowhere",
        ],
    ),
]


@pytest.mark.parametrize(("old", "new", "expected"), [cell[1:] for cell in CELLS], ids=[cell[0] for cell in CELLS])
def test_cells(old: str, new: str, expected: list[str]) -> None:
    assert refused(edited(old, new)) == expected


def test_an_unreachable_state() -> None:
    text = edited('guard = "audit_found_nothing"\nto = "steady"', 'guard = "audit_found_nothing"\nto = "mirroring"')
    last = 'to = "{}"\ndoes = ["keep_changes", "mark_proved"]'
    text = edited(last.format("steady"), last.format("mirroring"), text)
    assert refused(text) == ["state `steady` is unreachable: no row leads to it from `detecting`"]


def test_a_state_without_an_exit() -> None:
    text = SOURCE
    for row in ('guard = "stopping"\nto = "detecting"', 'on = "given_back"\nto = "detecting"'):
        text = edited(row, row.replace("detecting", "recovering"), text)
    text = edited('guard = "vpp_is_back"\nto = "handover"', 'guard = "vpp_is_back"\nto = "recovering"', text)
    text = text.replace('guard = "last_try_of_stop"\nto = "detecting"', 'guard = "last_try_of_stop"\nto = "recovering"')
    assert refused(text) == ["state `recovering` has no exit: no row leads from it to another state"]


DEADLINES = [
    ("wait_s = 60.0\n", "", "state `steady` waits without a deadline: give it wait_s"),
    (
        "deadline_s = 60.0\nwait_s = 2.0\ngrace_s = 10.0\n",
        "deadline_s = 60.0\ngrace_s = 10.0\n",
        "state `recovering` waits without a deadline: give it wait_s",
    ),
    (
        "grace_s = 10.0\n",
        "",
        "state `recovering` is entered by `await_vpp` and waits without a deadline: give it grace_s",
    ),
    (
        'doing = "the journal to be safely on disk"\n',
        'doing = "the journal to be safely on disk"\ngrace_step = "capture"\n',
        "state `capturing` has a grace_step and no grace_s: take grace_step away",
    ),
    ("deadline_s = 20.0\n", "", "state `handover` waits for its step without a deadline: give it deadline_s"),
    (
        "wait_s = 60.0\n",
        "wait_s = 60.0\ndeadline_s = 3.0\n",
        "state `steady` has a deadline_s and no step: give it wait_s instead",
    ),
    (
        "wait_s = 60.0\n",
        "wait_s = 60.0\nprogress = true\n",
        "state `steady` has a step's progress and no step: take progress away",
    ),
    (
        'to = "mirroring"\ndoes = ["begin_audit"]\nwhy = "audit"',
        'to = "stay"\ndoes = ["begin_audit"]\nwhy = "audit"',
        "steady x deadline_passed must enter a state or `wait`: a deadline that passes must lead on",
    ),
]


@pytest.mark.parametrize(("old", "new", "fault"), DEADLINES)
def test_what_waits_has_a_deadline_that_leads_on(old: str, new: str, fault: str) -> None:
    assert refused(edited(old, new)) == [fault]


OTHERS = [
    ('why = "VPP was lost: {detail}"', 'why = "VPP was lost: {reason}"', "{reason} (known: {detail})"),
    ('doing = "the journal to be safely on disk"\n', "", "state `capturing` has a step: say in `doing`"),
    ('waiting = "the next try to give the NIC back"\n', "", "state `recovering` waits: say in `waiting` what for"),
    (
        'awaiting = "VPP to come back; the host\'s interface stays as it is meanwhile"\n',
        "",
        "has a grace_s: say in `awaiting`",
    ),
    ("[guards]\n", '[guards]\nlucky = "x"\n', "guard `lucky` is used nowhere"),
    ("[actions]\n", '[actions]\ndance = "x"\n', "action `dance` is used nowhere"),
    ("[steps]\n", '[steps]\nsleep = "x"\n', "step `sleep` is used nowhere"),
]


@pytest.mark.parametrize(("old", "new", "fault"), OTHERS)
def test_texts_and_unused_names(old: str, new: str, fault: str) -> None:
    assert any(fault in found for found in refused(edited(old, new)))


SHAPES = [
    ('initial = "detecting"', "", "the file: `initial` must be a text that says something"),
    ('title = "Steady"', 'title = ""', "states.steady: `title` must be a text that says something"),
    ('title = "Steady"', 'titel = "Steady"', "states.steady: unknown key `titel`"),
    ("deadline_s = 20.0", "deadline_s = -1", "states.handover: `deadline_s` must be a number of seconds above 0"),
    ('on = "captured"\nto = "handover"\n', 'on = "captured"\n', "`to` is missing"),
    ('on = "captured"\n', "on = []\n", "`on` must be a name or a list of names"),
    ("[triggers]", "[[triggers]]", "`triggers` must be a table"),
    ('reason = "VPP was not lost"', 'message = "VPP was not lost"', "unknown key `message` (known: state, on, reason)"),
    ('title = "stopping"\n', "", "holds.stopping: `title` must be a text that says something"),
]


@pytest.mark.parametrize(("old", "new", "word"), SHAPES)
def test_the_shape(old: str, new: str, word: str) -> None:
    with pytest.raises(ShapeError) as error:
        read(edited(old, new))
    assert word in str(error.value)


# ------------------------------------------------------------------------------------------------------- what is made


def test_what_is_committed_is_what_the_file_says() -> None:
    for path, text in render(read(SOURCE)).items():
        assert (ROOT / path).read_text() == text, f"{path} is stale: run tools/gen-states"


def test_the_same_file_makes_the_same() -> None:
    script = (
        "from tools.gen_states.main import ROOT, SOURCE, render\nfrom tools.gen_states.spec import read\n"
        "print([text for text in render(read((ROOT / SOURCE).read_text())).values()])"
    )

    def made(seed: str) -> bytes:
        command = [sys.executable, "-c", script]
        return subprocess.run(command, cwd=ROOT, env={"PYTHONHASHSEED": seed}, capture_output=True, check=True).stdout

    assert made("1") == made("2")


def test_made_modules_are_as_ruff_would_format_them(tmp_path: Path) -> None:
    nasty = edited('title = "Steady"', "title = 'Steady, or \"steady\"'")
    nasty = edited('why = "audit"', 'why = "isn\'t it an \\"audit\\"?"', nasty)
    nasty = edited('what = "The NIC goes', 'what = "It\'s the NIC\'s turn: \\"it goes\\". The NIC goes', nasty)
    for name, text in (("as it is", SOURCE), ("quotes", nasty)):
        for path, made in render(read(text)).items():
            if path.suffix == ".py":
                copy = tmp_path / path.name
                copy.write_text(made)
                ruff = [sys.executable, "-m", "ruff", "format", "--check", "--config", str(ROOT / "pyproject.toml")]
                done = subprocess.run([*ruff, str(copy)], capture_output=True, text=True, check=False)
                assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A repository with nothing in it but the file and the places for what is made of it."""
    for folder in ("states", "hostlink/core"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "states/uplink.toml").write_text(SOURCE)
    return tmp_path


def test_check_tells_what_is_stale_and_writes_nothing(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"], copy) == 1
    assert "states/README.md is stale: run tools/gen-states and commit what it makes" in capsys.readouterr().err
    assert not (copy / "states/README.md").exists()
    assert main([], copy) == 0
    assert main(["--check"], copy) == 0
    (copy / "hostlink/core/_made_table.py").write_text("# edited by hand\n")
    capsys.readouterr()
    assert main(["--check"], copy) == 1
    assert capsys.readouterr().err == (
        "hostlink/core/_made_table.py is stale: run tools/gen-states and commit what it makes\n"
    )


REFUSED_FILES: list[tuple[Callable[[str], str], str]] = [
    (lambda text: text + STATE, "states/uplink.toml: state `flying` is one too many"),
    (lambda text: text + "\n[[", "states/uplink.toml: "),
    (lambda text: text.replace("initial", "inital"), "states/uplink.toml: the file: unknown key `inital`"),
]


@pytest.mark.parametrize(("change", "word"), REFUSED_FILES)
@pytest.mark.parametrize("arguments", [[], ["--check"]])
def test_a_refused_file_writes_nothing(
    copy: Path, capsys: pytest.CaptureFixture[str], change: Callable[[str], str], word: str, arguments: list[str]
) -> None:
    (copy / "states/uplink.toml").write_text(change(SOURCE))
    assert main(arguments, copy) == 1
    err = capsys.readouterr().err
    assert word in err
    assert err.endswith("states/uplink.toml is refused; nothing was written\n")
    assert not (copy / "states/README.md").exists()


def test_the_command_itself() -> None:
    done = subprocess.run([ROOT / "tools/gen-states", "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_page_has_the_picture_each_cell_and_the_runbook() -> None:
    page = (ROOT / "states/README.md").read_text()
    spec = read(SOURCE)
    assert "](uplink.svg)" in page
    cells = len(spec.rows) + len(spec.ignored) + len(spec.refused)
    words = len(spec.triggers) + len(spec.guards) + len(spec.actions)
    assert sum(line.startswith("| `") for line in page.splitlines()) == cells + words
    for state in spec.states:
        assert all(text in page for text in (f"### {state.title}", state.what, state.know, state.normal, state.do))


def test_the_picture_of_the_file_is_the_one_that_hostlink_draws_of_its_table() -> None:
    assert (ROOT / "states/uplink.svg").read_bytes() == draw(machine(), "svg")


def test_the_problems_page_has_each_with_all_of_its_fields() -> None:
    page = (ROOT / "states/problems.md").read_text()
    for record in REGISTER.values():
        (line,) = (line for line in page.splitlines() if line.startswith(f"| [{record.code}]"))
        delay = f" {record.delay_s:g} s " if record.delay_s else "  "
        causes = ", ".join(f"[{code}](#{code.lower()})" for code in record.depends_on)
        assert line.endswith(f"| {record.severity.value} | {record.title} |{delay}| {causes} |")
        entry = page.split(f"### {record.code} {record.title}")[1].split("<a id=")[0]
        assert record.text[1:] in entry
        assert record.to_do in entry
    assert page.count("<a id=") == len(REGISTER)
