"""The configuration of a node for verbs that run in the test's own process: all its files are in one folder."""

from __future__ import annotations

from pathlib import Path

UPLINK = "hl-none"
"""An interface that no host has."""


def write_config(folder: Path, namespace: str = "vpp") -> Path:
    """An uplink UPLINK by veth; runtime, journal and VPP's socket in that folder. Returns the file."""
    path = folder / "hostlink.toml"
    path.write_text(
        f"""[vpp]
api_socket = "{folder}/api.sock"
namespace = "{namespace}"
[[uplink]]
match = {{ name = "{UPLINK}" }}
host_link = "veth"
[paths]
runtime = "{folder}"
journal = "{folder}"
"""
    )
    return path
