"""The commands in the documents are commands: their verbs and options exist. (What they do, the scenarios prove.)"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostlink.cli import VERBS, load_verb

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", *(f"states/{name}.md" for name in ("README", "operations", "architecture", "comparison")))
_CODE = re.compile(r"`(hostlink [^`]+)`|^\s*(hostlink [^#\n]+)", re.MULTILINE)
_A_FORM = re.compile(r"[\[|…]")
"""`hostlink state [--json]` says how it is written, and is nothing to type. In a table `\\|` stands between choices."""
_STANDS_FOR = {"NAME": "eth0", "STATE": "Steady", "S": "1", "F": "file", "HL-nnn": "HL-404", "VERB": "state"}


def commands(page: str) -> Iterator[str]:
    """What is to be typed, in code spans and in blocks."""
    for span, line in _CODE.findall((ROOT / page).read_text()):
        text = " ".join((span or line).split())
        if text.split()[1] in VERBS and not _A_FORM.search(text):
            yield text


def parse(command: str) -> None:
    """Raises SystemExit for what argparse refuses."""
    verb, *arguments = [_STANDS_FOR.get(word, word) for word in shlex.split(command)[1:]]
    _, parser = load_verb(verb)
    parser.parse_args(arguments)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_can_be_typed(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    refused = []
    for command in commands(page):
        try:
            parse(command)
        except SystemExit:
            refused.append(f"{command}: {capsys.readouterr().err.splitlines()[-1]}")
    assert not refused, "\n".join(refused)


def test_commands_are_found() -> None:
    found = {page: set(commands(page)) for page in PAGES}
    assert "hostlink run --try --confirm-within 120" in found["states/operations.md"]
    assert sum(map(len, found.values())) > 25
    with pytest.raises(SystemExit):
        parse("hostlink state --no-such-option")


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        text = (ROOT / page).read_text()
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            assert ((ROOT / page).parent / target).exists(), f"{page}: {target}"
