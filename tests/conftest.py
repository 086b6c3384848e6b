"""For all tests: which of them a plain run leaves to `tools/check --live`, and how long each may take."""

from __future__ import annotations

import pytest
from hypothesis import settings

from hostlink.lab.factor import deadline_factor

# What an example takes is the machine's affair: hypothesis's 200 ms are a timed assertion (tools/bench is for those).
settings.register_profile("hostlink", deadline=None)
settings.load_profile("hostlink")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--live", action="store_true", help="also the tests marked `live`: they take minutes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    _stretch_timeouts(config, items)
    if config.getoption("--live"):
        return
    left = [item for item in items if item.get_closest_marker("live") or _is_second(item)]
    if left:
        items[:] = [item for item in items if item not in left]
        config.hook.pytest_deselected(items=left)


def _is_second(item: pytest.Item) -> bool:
    """A scenario that is mostly waiting, on the second of the stand-in's two host links."""
    return item.get_closest_marker("once") is not None and "standin/veth" in item.name


def _stretch_timeouts(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Each test's own timeout, or everybody's, times the lab's deadline factor."""
    if deadline_factor() == 1.0:
        return
    for item in items:
        own = item.get_closest_marker("timeout")
        timeout_s = float(own.args[0] if own else config.getini("timeout"))
        item.add_marker(pytest.mark.timeout(timeout_s * deadline_factor()), append=False)
