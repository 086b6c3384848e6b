"""A takeover with real kernels on both sides of the stand-in."""

from __future__ import annotations

import os
import socket
from typing import Any

import pytest

from tests.lab.standin.living import GSO, WITHIN_S, Client, Lab, echo_over, run

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces, which needs root")


@pytest.mark.parametrize("address", ["192.168.0.1", "fd00::1"])
@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_the_wire_reaches_the_host(lab: Lab, address: str, kind: int) -> None:
    lab.take_over(lab.start())
    echo_over(server=lab.host, at=address, client=lab.wire, kind=kind)


@pytest.mark.parametrize("address", ["192.168.0.254", "fd00::fe"])
@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_the_host_reaches_the_wire(lab: Lab, address: str, kind: int) -> None:
    lab.take_over(lab.start())
    echo_over(server=lab.wire, at=address, client=lab.host, kind=kind)


@pytest.mark.parametrize("address", ["192.168.0.254", "fd00::fe"])
def test_the_host_pings_the_wire(lab: Lab, address: str) -> None:
    lab.take_over(lab.start())
    run("ip", "netns", "exec", lab.host, "ping", "-c", "2", "-i", "0.2", "-W", "2", address)


@pytest.mark.parametrize("address", ["192.168.0.1", "fd00::1"])
def test_the_wire_pings_the_shared_address(lab: Lab, address: str) -> None:
    lab.take_over(lab.start())
    run("ip", "netns", "exec", lab.wire, "ping", "-c", "2", "-i", "0.2", "-W", "2", address)


def _bulk(lab: Lab, offload: str, back_within_s: float = WITHIN_S) -> None:
    """A mebibyte each way, from the host first."""
    run("ip", "netns", "exec", lab.wire, "ethtool", "-K", "wire0", "tso", offload, "gso", offload)
    stream: dict[str, Any] = {"kind": socket.SOCK_STREAM, "data": os.urandom(1 << 20), "back_within_s": back_within_s}
    echo_over(server=lab.wire, at="192.168.0.254", client=lab.host, **stream)


@pytest.mark.parametrize("offload", ["off", "on"])
@pytest.mark.parametrize("tap_flags", [0, GSO])
def test_bulk_passes_unless_segments_left_to_the_card_meet_a_tap_without_gso(
    lab: Lab, tap_flags: int, offload: str
) -> None:
    """VPP drops what it would have to cut for a tap that was made without GSO: then only what is lost once and sent
    again in small pieces arrives."""
    lab.take_over(lab.start(), tap_flags=tap_flags)
    if (tap_flags, offload) == (0, "on"):
        with pytest.raises(AssertionError, match="bytes arrived"):
            _bulk(lab, offload, back_within_s=1)
    else:
        _bulk(lab, offload)
    assert ("gso packet drop" in _errors(lab)) == ((tap_flags, offload) == (0, "on"))


def _errors(lab: Lab) -> str:
    return str(Client(lab.socket).call("cli_inband", cmd="show errors")["reply"])


def test_a_device_that_went_down_works_again_when_it_is_up(lab: Lab) -> None:
    lab.take_over(lab.start())
    run("ip", "-n", lab.vpp, "link", "set", "up0", "down")
    run("ip", "-n", lab.vpp, "link", "set", "up0", "up")
    echo_over(server=lab.host, at="192.168.0.1", client=lab.wire, kind=socket.SOCK_STREAM)
