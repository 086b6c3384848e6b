"""What the clients call at each event: sets address and route as Debian's own scripts do, and writes the event down.

    client_script.py EVENTS [udhcpc's word]

With NEW_FIRST in the environment it does as other clients do: an address that is lost is left until there is another,
which is added beside it; only then the old one is deleted.

EVENTS: a file, one JSON object a line. udhcpc gives its event as a word, dhclient as `reason`; all else comes by the
environment (udhcpc: the usage text of its default.script; dhclient: dhclient-script(8)). An address that answers an
ARP probe (RFC 5227) makes dhclient decline it, by an exit status that is not 0; udhcpc probes by itself (`-a`).
"""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import time
from ipaddress import IPv4Network

_PROBES, _PROBE_S = 2, 0.2
_ETH_P_ARP = 0x0806
_WORDS = {
    "bound": "bound",
    "renew": "renewed",
    "deconfig": "nothing",
    "nak": "refused",
    "BOUND": "bound",
    "REBOOT": "bound",
    "RENEW": "renewed",
    "REBIND": "renewed",
    "EXPIRE": "nothing",
    "RELEASE": "nothing",
    "STOP": "nothing",
}
"""What the tests call it. dhclient's have a 6 at their end for DHCPv6."""


def main(events: str, word: str) -> int:
    values = os.environ
    link = values["interface"]
    kind = _WORDS.get(word.removesuffix("6"), word.lower())
    event = {"kind": kind, "reason": word, "time": time.time()}
    if "new_ip6_address" in values or "old_ip6_address" in values:
        event |= _ipv6(link, kind)
    elif "ip" in values or "new_ip_address" in values or "old_ip_address" in values:
        event |= _ipv4(link, kind)
    elif word in ("PREINIT", "deconfig"):
        _ip("link", "set", link, "up")
        _flush(link)
    with open(events, "a") as log:
        log.write(json.dumps(event) + "\n")
    return int(event["kind"] == "conflict")


def _ipv4(link: str, kind: str) -> dict[str, object]:
    values = os.environ
    address = values.get("ip") or values.get("new_ip_address") or ""
    if kind == "nothing":
        _flush(link)
        return {"address": address}
    if kind == "bound" and "reason" in values and _is_taken(link, address):
        return {"kind": "conflict", "address": address}
    mask = values.get("subnet") or values["new_subnet_mask"]
    router = (values.get("router") or values["new_routers"]).split()[0]
    lease_s = values.get("lease") or values["new_dhcp_lease_time"]
    server = values.get("serverid") or values["new_dhcp_server_identifier"]
    prefix = f"{address}/{IPv4Network(f'0.0.0.0/{mask}').prefixlen}"
    _ip("address", "replace", prefix, "broadcast", "+", "dev", link, "valid_lft", lease_s, "preferred_lft", lease_s)
    if "NEW_FIRST" in values:
        _delete_others(link, address)
    _ip("route", "replace", "default", "via", router, "dev", link, "proto", "dhcp", "src", address, "metric", "100")
    return {"address": address, "router": router, "server": server, "lease_s": int(lease_s)}


def _ipv6(link: str, kind: str) -> dict[str, object]:
    values = os.environ
    address = values.get("new_ip6_address") or values["old_ip6_address"]
    prefix = f"{address}/{values.get('new_ip6_prefixlen') or values['old_ip6_prefixlen']}"
    if kind == "nothing":
        _ip("-6", "address", "del", prefix, "dev", link)
        return {"address": address}
    valid_s, preferred_s = values["new_max_life"], values["new_preferred_life"]
    lifetimes = ("valid_lft", valid_s, "preferred_lft", preferred_s)
    _ip("-6", "address", "replace", prefix, "dev", link, *lifetimes)
    return {"address": address, "lease_s": int(valid_s), "iaid": values.get("new_iaid", "")}


def _flush(link: str) -> None:
    if "NEW_FIRST" not in os.environ:
        _ip("-4", "address", "flush", "dev", link)


def _delete_others(link: str, address: str) -> None:
    shown = subprocess.run(
        ("ip", "-json", "-4", "address", "show", "dev", link), check=True, capture_output=True
    ).stdout
    for entry in json.loads(shown)[0]["addr_info"]:
        if entry.get("dynamic") and entry["local"] != address:
            _ip("address", "del", f"{entry['local']}/{entry['prefixlen']}", "dev", link)


def _ip(*argv: str) -> None:
    subprocess.run(("ip", *argv), check=False)  # its complaint is in the client's log; the test sees what is there


def _is_taken(link: str, address: str) -> bool:
    """RFC 5227, 2.1.1: whether any station claims the address when it is asked for by nobody (sender 0.0.0.0)."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ARP)) as sock:
        sock.bind((link, _ETH_P_ARP))
        sock.settimeout(_PROBE_S)
        own, wanted = sock.getsockname()[4], socket.inet_aton(address)
        head = struct.pack("!6s6sHHHBBH", b"\xff" * 6, own, _ETH_P_ARP, 1, 0x0800, 6, 4, 1)
        for _ in range(_PROBES):
            sock.send(head + own + bytes(4) + bytes(6) + wanted)
            if _answered(sock, own, wanted):
                return True
    return False


def _answered(sock: socket.socket, own: bytes, wanted: bytes) -> bool:
    until_s = time.monotonic() + _PROBE_S
    while time.monotonic() < until_s:
        try:
            frame = sock.recv(2048)
        except TimeoutError:
            return False
        if frame[28:32] == wanted and frame[22:28] != own:
            return True
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else os.environ["reason"]))  # noqa: SIM112
