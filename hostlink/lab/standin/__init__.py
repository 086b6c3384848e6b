"""The stand-in VPP: a small process that speaks VPP's binary API and forwards packets, for the lab and the tests only.

`python -m hostlink.lab.standin --api-socket P [--namespace N]` runs it in the foreground. A client connects to it as
to a VPP 26.06, and finds out its messages through `get_api_json`. It refuses what VPP refuses, with VPP's numbers,
and fails where VPP fails: a scenario that passes on it and fails on a real VPP is a bug in the stand-in.

How it is made: `tables.py` says which messages there are; `definitions`, `codec` and `apijson` are made from it;
`apiserver` has the framing and the clients, `api_*.py` the handlers; they change the `State` (interfaces, FIB,
neighbours, punt, classifiers), which the packet graph (`graph`, `node_*.py`) reads; `devices` and `process` connect
that to sockets. Faults on purpose: `faults.py`.
"""

from __future__ import annotations


def main(api_socket: str, namespace: str | None = None) -> int:
    """See hostlink.lab.standin.process.main; imported late, so that its parts can be used without the process."""
    from hostlink.lab.standin.process import main as run

    return run(api_socket, namespace)
