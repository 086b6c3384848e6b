"""System tests: the whole daemon in the lab, on each dataplane that this machine can have. As root."""

from __future__ import annotations

import os

import pytest

from hostlink.lab.stage import ALL, Dataplane, why_missing

STANDINS = tuple(dataplane for dataplane in ALL if not dataplane.real)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/system" in item.nodeid or "tests.system" in item.nodeid:
            item.add_marker(pytest.mark.system)


@pytest.fixture(autouse=True)
def root() -> None:
    if os.geteuid() != 0:
        pytest.fail("system tests make network namespaces: run them as root")


@pytest.fixture(params=ALL, ids=str)
def dataplane(request: pytest.FixtureRequest) -> Dataplane:
    """Every dataplane; the ones that cannot be had here are skipped with the reason."""
    chosen: Dataplane = request.param
    missing = why_missing(chosen)
    if missing is not None:
        pytest.skip(f"{chosen}: {missing}")
    return chosen


@pytest.fixture(params=STANDINS, ids=str)
def standin(request: pytest.FixtureRequest) -> Dataplane:
    """Both host links on the stand-in: for faults that a real VPP cannot be made to have."""
    chosen: Dataplane = request.param
    return chosen
