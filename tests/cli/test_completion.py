"""Completions in the shells themselves: bash of the machine, zsh and fish unpacked by tools/setup.sh."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from hostlink import cli
from hostlink.cli.completion import SHELLS
from hostlink.cli.suggestions import suggested
from hostlink.cli.whole import verbs_of, whole_parser
from hostlink.lab.factor import deadline_factor
from tests.system.dhcp.programs import command

UNPACKED = Path(__file__).parents[2] / ".venv/debian"
DEADLINE_S = 20.0

ONE = {
    "hostlink rel": "release",
    "hostlink explain HL-50": None,
    "hostlink explain Ste": "Steady",
    "hostlink state --wa": None,
    "hostlink state --wait Mir": "Mirroring",
    "hostlink diagram --format s": "svg",
    "hostlink lab ex": "exec",
    "hostlink lab vpp --na": "--namespace",
    "hostlink completion z": "zsh",
}
"""What is typed, and the one word that it is completed to. None: several fit, see SEVERAL."""
SEVERAL = {
    "hostlink explain HL-50": {f"HL-50{digit}" for digit in range(1, 7)},
    "hostlink state --wa": {"--wait", "--watch"},
    "hostlink ": set(cli.VERBS),
}


def expected(line: str) -> set[str]:
    only = ONE.get(line)
    return SEVERAL[line] if only is None else {only}


@pytest.fixture(scope="module", name="scripts")
def _scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What `hostlink completion` prints for each shell, in a file of the name that its shell looks for."""
    folder = tmp_path_factory.mktemp("completions")
    names = {"bash": "hostlink", "zsh": "_hostlink", "fish": "hostlink.fish"}
    with pytest.MonkeyPatch.context() as patch:
        for shell in SHELLS:
            with (folder / names[shell]).open("w") as file:
                patch.setattr("sys.stdout", file)
                assert cli.main(["completion", shell]) == 0
    return {shell: folder / names[shell] for shell in SHELLS}


# --------------------------------------------------------------------------------------------------------------- bash

BASH = """
source "$1"
[[ $(complete -p hostlink) =~ -F\\ ([^ ]+) ]]
complete=${BASH_REMATCH[1]}
shift
for line; do
    read -ra COMP_WORDS <<<"$line"
    [[ $line == *' ' ]] && COMP_WORDS+=('')
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=$line COMP_POINT=${#line} COMPREPLY=()
    "$complete" hostlink "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
    echo "${COMPREPLY[*]}"
done
"""


def test_bash_completes(scripts: dict[str, Path]) -> None:
    lines = [*dict.fromkeys([*ONE, *SEVERAL])]
    bash = [shutil.which("bash") or "bash", "--norc", "-c", BASH, "bash", str(scripts["bash"]), *lines]
    done = subprocess.run(bash, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    found = [set(line.split()) for line in done.stdout.splitlines()]
    words = {line: words - {"-h", "--help", "--version"} for line, words in zip(lines, found, strict=True)}
    assert words == {line: expected(line) for line in lines}


def test_bash_offers_files_for_a_file_and_folders_for_a_folder(scripts: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "x.toml").touch()
    (tmp_path / "xs").mkdir()
    lines = [f"hostlink run --config {tmp_path}/x", f"hostlink state --runtime-dir {tmp_path}/x"]
    bash = ["bash", "--norc", "-c", BASH, "bash", str(scripts["bash"]), *lines]
    done = subprocess.run(bash, capture_output=True, text=True, check=True)
    assert [sorted(line.split()) for line in done.stdout.splitlines()] == [
        [f"{tmp_path}/x.toml", f"{tmp_path}/xs"],
        [f"{tmp_path}/xs"],
    ]


# --------------------------------------------------------------------------------------------------------------- fish


def test_fish_completes(scripts: dict[str, Path], tmp_path: Path) -> None:
    lines = [*dict.fromkeys([*ONE, *SEVERAL])]
    script = 'source $argv[1]; for line in $argv[2..]; complete -C $line; echo "=="; end'
    fish = [*command("fish"), "--no-config", "-c", script, str(scripts["fish"]), *lines]
    home = {**os.environ, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    done = subprocess.run(fish, capture_output=True, text=True, env=home, check=False)
    assert done.stderr == ""
    parts = done.stdout.split("==\n")[: len(lines)]
    words = {line: {one.split("\t")[0] for one in part.splitlines()} for line, part in zip(lines, parts, strict=True)}
    assert words == {line: expected(line) for line in lines}


# ---------------------------------------------------------------------------------------------------------------- zsh

ZSH = """\
PS1= PROMPT_EOL_MARK=
module_path=(UNPACKED/usr/lib/*-linux-gnu*/zsh/*(/N))
fpath=(FOLDER UNPACKED/usr/share/zsh/functions/Completion{,/Base})
autoload -Uz compinit && compinit -u -D
unsetopt list_beep beep automenu autolist
write-buffer() { print -r -- "$BUFFER|" >>FOLDER/buffer; BUFFER= }
zle -N write-buffer
bindkey '^X' write-buffer
print ready >>FOLDER/buffer
"""


@contextmanager
def zsh(folder: Path) -> Iterator[int]:
    """An interactive zsh, with the functions of `folder`: what it reads from. Its line goes to FOLDER/buffer on ^X."""
    (folder / ".zshrc").write_text(ZSH.replace("UNPACKED", str(UNPACKED)).replace("FOLDER", str(folder)))
    ours, theirs = pty.openpty()
    environment = {**os.environ, "ZDOTDIR": str(folder), "HOME": str(folder), "TERM": "xterm"}
    shell = subprocess.Popen(
        [*command("zsh"), "-o", "NO_GLOBAL_RCS", "-i"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        start_new_session=True,
    )
    os.close(theirs)
    os.set_blocking(ours, False)
    try:
        yield ours
    finally:
        shell.kill()
        shell.wait()
        os.close(ours)


def wait_lines(file: Path, count: int, terminal: int) -> list[str]:
    """Until the file has so many lines; what the shell says meanwhile is taken, so that it does not wait for that."""
    said = b""
    deadline_s = time.monotonic() + DEADLINE_S * deadline_factor()
    while True:
        with suppress(BlockingIOError):
            said += os.read(terminal, 1 << 16)
        lines = file.read_text().splitlines() if file.exists() else []
        if len(lines) >= count:
            return lines
        assert time.monotonic() < deadline_s, f"{lines}; zsh said {said.decode(errors='replace')}"
        time.sleep(0.02)


def test_zsh_completes(scripts: dict[str, Path]) -> None:
    folder = scripts["zsh"].parent
    lines = [line for line, only in ONE.items() if only is not None]
    with zsh(folder) as terminal:
        wait_lines(folder / "buffer", 1, terminal)
        for count, line in enumerate(lines, start=2):
            os.write(terminal, f"{line}\t\x18".encode())
            wait_lines(folder / "buffer", count, terminal)
    typed = (folder / "buffer").read_text().splitlines()[1:]
    assert typed == [f"{line.rsplit(' ', 1)[0]} {ONE[line]} |" for line in lines]


# -------------------------------------------------------------------------------------------------------------- source


def test_the_whole_parser_takes_what_the_verbs_take() -> None:
    verbs = verbs_of(whole_parser())
    assert list(verbs) == list(cli.VERBS)
    for verb, parser in verbs.items():
        _, alone = cli.load_verb(verb)
        assert [action.dest for action in parser._actions] == [action.dest for action in alone._actions]
        assert parser.format_usage() == alone.format_usage()


def test_what_takes_a_state_suggests_the_states() -> None:
    for parser in verbs_of(whole_parser()).values():
        for action in parser._actions:
            if "STATE" in str(action.metavar):
                assert "Steady" in suggested(action)
