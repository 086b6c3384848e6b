"""The manual pages: all that --help says, every key of the configuration, and roff that its checkers take."""

from __future__ import annotations

import argparse
import re
import subprocess
from pathlib import Path

import pytest

from hostlink import cli
from hostlink.cli import exits
from hostlink.cli.man import SECTIONS, page
from hostlink.cli.manual import roff
from hostlink.cli.manual.configuration import DEFAULTS, EXAMPLE, keys_of
from hostlink.cli.manual.keys import KEYS
from hostlink.cli.manual.keys import SECTIONS as KEY_SECTIONS
from hostlink.cli.whole import verbs_of, whole_parser
from hostlink.config import load_config
from tests.system.dhcp.programs import command


def rendered(name: str, tmp_path: Path) -> str:
    """The page as a reader sees it, in one line."""
    file = tmp_path / name
    file.write_text(page(name))
    done = subprocess.run(
        [*command("mandoc"), "-T", "utf8", "-O", "width=200", str(file)], capture_output=True, text=True, check=True
    )
    return " ".join(re.sub(".\b", "", done.stdout).split())


def all_parsers() -> list[argparse.ArgumentParser]:
    verbs = list(verbs_of(whole_parser()).values())
    return verbs + [inner for verb in verbs for inner in verbs_of(verb).values()]


@pytest.mark.parametrize("name", SECTIONS)
def test_the_page_is_clean_but_for_its_date(name: str, tmp_path: Path) -> None:
    """Without a date on purpose: the same version makes the same page on any day."""
    (tmp_path / name).write_text(page(name))
    lint = [*command("mandoc"), "-T", "lint", "-W", "warning", str(tmp_path / name)]
    done = subprocess.run(lint, capture_output=True, text=True, check=False)
    assert [line for line in done.stdout.splitlines() if "missing date" not in line] == []
    assert done.stderr == ""


def test_the_command_has_all_that_help_says(tmp_path: Path) -> None:
    text = rendered("hostlink", tmp_path)
    for parser in all_parsers():
        assert parser.prog in text
        for action in parser._actions:
            if not isinstance(action, argparse._HelpAction | argparse._SubParsersAction):
                assert action.help, f"{parser.prog} {action.dest} has no help"
                assert " ".join(parser._get_formatter()._expand_help(action).split()) in text
                assert all(option in text for option in action.option_strings)
    for verb in cli.VERBS:
        epilog = cli.load_verb(verb)[0].EPILOG.replace("`", "")
        assert " ".join(epilog.split()) in text


def test_the_usage_is_the_same_on_any_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = []
    for columns in ("40", "200"):
        monkeypatch.setenv("COLUMNS", columns)
        pages.append(page("hostlink"))
    assert pages[0] == pages[1]


def test_each_exit_status_has_its_meaning(tmp_path: Path) -> None:
    statuses = {value for name, value in vars(exits).items() if name.isupper() and isinstance(value, int)}
    assert set(exits.MEANINGS) == statuses
    text = rendered("hostlink", tmp_path)
    assert all(f"{status} {meaning}" in text for status, meaning in exits.MEANINGS.items())


def test_each_key_of_the_configuration_has_its_text_and_no_other() -> None:
    assert set(KEYS) == {f"{section}.{key}" for section in DEFAULTS for key in keys_of(section)}
    assert set(KEY_SECTIONS) == set(DEFAULTS)


def test_the_configuration_page_says_what_the_checks_say(tmp_path: Path) -> None:
    text = rendered("hostlink.toml", tmp_path)
    assert "Takes a number from 0 to 3600. Default: 10." in text
    assert 'Takes an absolute path. Default: "/run/vpp/api.sock".' in text
    assert "Takes 'tap' or 'veth'. Default: \"tap\"." in text
    assert "default_route The interface of the default route" in text
    assert "Takes true, or left out." in text
    assert all(" ".join(words.replace("`", "").split()) in text for words in KEYS.values())


def test_the_example_is_one_that_hostlink_takes(tmp_path: Path) -> None:
    (tmp_path / "hostlink.toml").write_text(EXAMPLE)
    assert load_config(tmp_path / "hostlink.toml").uplinks[0].match.name == "enp216s0f1"


def test_roff_takes_no_words_for_requests(tmp_path: Path) -> None:
    text = ".so /etc/passwd and \\fRback\\\\slash - it's `--bold`"
    (tmp_path / "x").write_text(roff.page([roff.head("x", 1, "a-b"), roff.heading("NAME"), roff.paragraph(text)]))
    done = subprocess.run([*command("mandoc"), "-T", "ascii", str(tmp_path / "x")], capture_output=True, text=True)
    assert text.replace("`", "") in " ".join(re.sub(".\b", "", done.stdout).split())


def test_both_pages_are_written_where_man_looks_for_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["man", "--output", str(tmp_path)]) == 0
    assert (tmp_path / "man1/hostlink.1").read_text() == page("hostlink")
    assert (tmp_path / "man5/hostlink.toml.5").read_text() == page("hostlink.toml")
    (tmp_path / "file").touch()
    assert cli.main(["man", "--output", str(tmp_path / "file")]) == 1
    assert "Not a directory" in capsys.readouterr().err
