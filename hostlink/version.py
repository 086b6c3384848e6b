"""Which hostlink this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def installed_version() -> str:
    """The installed package's version; "" for a source tree that is not installed."""
    try:
        return version("hostlink")
    except PackageNotFoundError:
        return ""
