"""Messages about the API itself: ping, version, definitions, the command line."""

from __future__ import annotations

import os

from hostlink.lab.standin.cli import run_command
from hostlink.lab.standin.codec import Values
from hostlink.lab.standin.registry import Reply, Vpp, handles

PROGRAM = "hostlink-standin"


@handles("control_ping")
def control_ping(_vpp: Vpp, request: Values) -> Reply:
    return {"client_index": request["client_index"], "vpe_pid": os.getpid()}


@handles("show_version")
def show_version(vpp: Vpp, _request: Values) -> Reply:
    return {"program": PROGRAM, "version": f"{vpp.release}-standin", "build_date": "", "build_directory": ""}


@handles("get_api_json")
def get_api_json(vpp: Vpp, _request: Values) -> Reply:
    return {"json": vpp.definitions}


@handles("cli_inband")
def cli_inband(vpp: Vpp, request: Values) -> Reply:
    retval, text = run_command(vpp, request["cmd"])
    return {"retval": retval, "reply": text}
