"""`hostlink lab`: the throwaway network by hand. `up` leaves it there; `down` removes it; both touch nothing else."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

from hostlink.cli.exits import DONE, FAILED, USAGE, VerbError
from hostlink.lab import layout, network
from hostlink.lab.children import in_namespace
from hostlink.lab.layout import ROLES, Names
from hostlink.lab.network import LabError

EPILOG = """\
hostlink lab up                                  six namespaces, and how to go on
hostlink lab exec host -- ip addr                a command on the node
hostlink lab vpp --api-socket P --namespace N    the stand-in VPP, in the foreground
hostlink lab down                                everything of it is gone"""

DEFAULT_NAME = "lab"
_RUNTIME_BASE = Path("/run/hostlink-lab")
_STATE = "lab.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="lab_verb", required=True, metavar="up|down|exec|vpp")
    up = verbs.add_parser("up", help="make it")
    _add_name(up)
    link = up.add_mutually_exclusive_group()
    link.add_argument("--veth", dest="host_link", action="store_const", const="veth", help="host_link = veth")
    link.add_argument("--tap", dest="host_link", action="store_const", const="tap", help="host_link = tap (default)")
    up.add_argument("--runtime-dir", type=Path, metavar="DIR", help="for its configuration, sockets and journal")
    up.set_defaults(host_link="tap", run_lab=_up)
    down = verbs.add_parser("down", help="end what runs in it and remove it")
    _add_name(down)
    down.add_argument("--stale", action="store_true", help="instead, remove what dead processes left behind")
    down.set_defaults(run_lab=_down)
    exec_ = verbs.add_parser("exec", help="run a command in one of its namespaces")
    _add_name(exec_)
    exec_.add_argument("namespace", metavar="NAMESPACE", help=f"{', '.join(ROLES)}, or a namespace's full name")
    exec_.add_argument("command", nargs=argparse.REMAINDER, metavar="-- CMD", help="default: a shell")
    exec_.set_defaults(run_lab=_exec)
    vpp = verbs.add_parser("vpp", help="run the stand-in VPP alone, in the foreground")
    vpp.add_argument("--api-socket", type=Path, required=True, metavar="P", help="where it listens")
    vpp.add_argument("--namespace", required=True, metavar="N", help="the network namespace it works in")
    vpp.set_defaults(run_lab=_vpp)


def run(options: argparse.Namespace) -> int:
    try:
        return int(options.run_lab(options))
    except LabError as error:
        raise VerbError(FAILED, str(error)) from error


def _add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", type=_names, default=Names(DEFAULT_NAME), metavar="N", help="which lab")


def _names(text: str) -> Names:
    try:
        return Names(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _up(options: argparse.Namespace) -> int:
    names, folder = options.name, options.runtime_dir or _RUNTIME_BASE / options.name.name
    folder = folder.absolute()
    network.up(names)
    try:
        _write_files(names, folder, options.host_link)
    except OSError as error:
        network.down(names)
        raise LabError(f"{folder}: {error.strerror}; the lab was taken down again") from error
    print(_how_to_go_on(names, folder))
    return DONE


def _write_files(names: Names, folder: Path, host_link: str) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "hostlink.toml").write_text(_configuration(names, folder, host_link))
    state = {"version": 1, "name": names.name, "namespaces": names.all, "host_link": host_link}
    (folder / _STATE).write_text(json.dumps(state, indent=1) + "\n")


def _configuration(names: Names, folder: Path, host_link: str) -> str:
    return f"""\
[vpp]
api_socket = {json.dumps(str(folder / "api.sock"))}
namespace = "{names.namespace("vpp")}"

[[uplink]]
match = {{ name = "{layout.NIC}" }}
driver = "af_packet"
host_link = "{host_link}"

[paths]
runtime = {json.dumps(str(folder))}
journal = {json.dumps(str(folder / "journal"))}

[cluster]
service_cidrs = ["{layout.SERVICE_CIDR4}"]
pod_cidrs = ["{layout.POD_CIDR4}", "{layout.POD_CIDR6}"]
"""


def _how_to_go_on(names: Names, folder: Path) -> str:
    name = "" if names.name == DEFAULT_NAME else f" --name {names.name}"
    return f"""\
the lab is up: {", ".join(names.all)}

a VPP (the stand-in; or a real one in {names.namespace("vpp")}, its API socket at the same path):
  hostlink lab vpp --api-socket {folder}/api.sock --namespace {names.namespace("vpp")}
the daemon on the node:
  hostlink lab exec{name} host -- hostlink run --config {folder}/hostlink.toml
what it does:
  hostlink state --runtime-dir {folder}
around it:
  hostlink lab exec{name} host -- ip addr
  hostlink lab exec{name} wire -- ping {layout.HOST4.ip}
the end of it:
  hostlink lab down{name}"""


def _down(options: argparse.Namespace) -> int:
    if options.stale:
        removed = network.remove_stale_labs()
    else:
        removed = network.down(options.name)
        _remove_own_folder(_RUNTIME_BASE / options.name.name)
    print(f"removed {', '.join(removed)}" if removed else "there was nothing to remove")
    return DONE


def _remove_own_folder(folder: Path) -> None:
    """The default folder of a lab is the lab's; one that was given stays, with its journal."""
    if (folder / _STATE).is_file():
        shutil.rmtree(folder)


def _exec(options: argparse.Namespace) -> int:
    given = [*options.command]
    if given[:1] == ["--"]:
        del given[0]
    full = options.namespace if options.namespace not in ROLES else options.name.namespace(options.namespace)
    if not full.startswith("hl-"):
        raise VerbError(
            USAGE, f"{full!r} is no namespace of a lab: say {', '.join(ROLES)}, or a name with hl- before it"
        )
    if not (layout.NAMESPACES / full).exists():
        raise LabError(f"there is no namespace {full}: is the lab up (`hostlink lab up`)?")
    command = in_namespace(full, given or [os.environ.get("SHELL", "/bin/sh")])
    sys.stdout.flush()
    try:
        os.execvp(command[0], command)
    except OSError as error:
        raise LabError(f"{command[0]}: {error.strerror}") from error


def _vpp(options: argparse.Namespace) -> int:
    from hostlink.lab import standin

    return standin.main(str(options.api_socket), options.namespace)
