"""The deadline factor: what it may be, and that the daemon's own deadlines are stretched by it."""

import tomllib

import pytest

from hostlink.lab.factor import VARIABLE, deadline_factor
from hostlink.lab.stage import stretched


@pytest.mark.parametrize(("text", "factor"), [(None, 1.0), ("", 1.0), ("8", 8.0), ("0.5", 0.5)])
def test_it_is_one_unless_the_environment_says_more(monkeypatch, text, factor):
    monkeypatch.delenv(VARIABLE, raising=False)
    if text is not None:
        monkeypatch.setenv(VARIABLE, text)
    assert deadline_factor() == factor


@pytest.mark.parametrize("text", ["fast", "0", "-1", "101", "nan"])
def test_what_is_no_factor_is_refused_with_its_name(monkeypatch, text):
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(ValueError, match=rf"\$HOSTLINK_DEADLINE_FACTOR is a number from 0.1 to 100, not '{text}'"):
        deadline_factor()


@pytest.mark.parametrize(
    ("settings", "timing"),
    [
        ("", {"deadline_factor": 8}),
        ("[cluster]\nencap_overhead = 60\n", {"deadline_factor": 8}),
        ("[timing]\naudit_s = 1\n", {"deadline_factor": 8, "audit_s": 1}),
        ("[timing]\ndeadline_factor = 0.2\naudit_s = 1\n", {"deadline_factor": 1.6, "audit_s": 1}),
    ],
)
def test_the_daemons_deadlines_arestretched_too(monkeypatch, settings, timing):
    monkeypatch.setenv(VARIABLE, "8")
    assert tomllib.loads(stretched(settings))["timing"] == timing


def test_a_factor_of_one_leaves_the_settings_alone(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert stretched("[cluster]\n") == "[cluster]\n"
