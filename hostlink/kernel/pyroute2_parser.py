"""pyroute2's parser of rtnetlink messages, without the rest of pyroute2.

Its package imports all that it has as soon as any part of it is imported: an SQL database, test mocks, sockets of every
kind. That is 13 MB of a daemon that reads messages with it and does nothing else (measured, 0.9.7), of which the parser
needs 5. So the parser is imported below a package of the same place that was never run, as a private copy: afterwards
nothing of it is left in sys.modules, and whoever imports pyroute2 in the same process gets all of it, undisturbed.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import Any

_PACKAGE = "pyroute2"


def _private_parser() -> Any:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None:
        raise ImportError(f"{_PACKAGE} is not installed")
    others = _taken_out()
    sys.modules[_PACKAGE] = importlib.util.module_from_spec(spec)
    try:
        return importlib.import_module(f"{_PACKAGE}.netlink.rtnl.marshal").MarshalRtnl
    finally:
        _taken_out()
        sys.modules.update(others)


def _taken_out() -> dict[str, Any]:
    """What is imported of the package, and is so no more."""
    names = [name for name in sys.modules if name.split(".")[0] == _PACKAGE]
    return {name: sys.modules.pop(name) for name in names}


MarshalRtnl = _private_parser()
"""pyroute2.netlink.rtnl.marshal.MarshalRtnl."""
