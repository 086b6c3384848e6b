"""The stand-in as a process: its socket, its end, its devices."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hostlink.lab.standin.devices import IFF_MULTI_QUEUE, IFF_NO_PI, IFF_TAP, IFF_VNET_HDR, TUNSETIFF, inside
from tests.lab.standin.living import ATTACH, PERSIST, WITHIN_S, Lab, cpu_s, eventually, run
from tools.vpp_records import steps

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces, which needs root")


def test_ends_cleanly_and_takes_its_socket_with_it(lab: Lab) -> None:
    client = lab.start()
    assert client.call("show_version")["program"] == "hostlink-standin"
    assert lab.stop() == 0
    assert not lab.socket.exists()
    with pytest.raises(ConnectionError):
        client.call("show_version")


def test_a_namespace_that_is_absent_is_said(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "hostlink.lab.standin",
        "--api-socket",
        str(tmp_path / "s"),
        "--namespace",
        "hl-no",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "hl-no" in done.stderr


def test_dies_at_the_request_that_it_was_told_to_die_at(lab: Lab) -> None:
    client = lab.start(HOSTLINK_STANDIN_FAIL="create_loopback=die")
    with pytest.raises(ConnectionError):
        client.call("create_loopback")
    assert lab.process is not None
    assert lab.process.wait(WITHIN_S) == 137


def test_uses_no_cpu_while_nothing_happens(lab: Lab) -> None:
    client = lab.start()
    lab.take_over(client)
    assert lab.process is not None
    before = cpu_s(lab.process.pid)
    time.sleep(1)
    assert cpu_s(lab.process.pid) - before < 0.1


def test_a_tap_that_is_not_persistent_goes_with_the_process(lab: Lab) -> None:
    lab.take_over(lab.start())
    assert "eth0" in run("ip", "-n", lab.host, "link", "show")
    assert lab.stop(signal.SIGKILL) == -signal.SIGKILL
    eventually(lambda: "eth0" not in run("ip", "-n", lab.host, "link", "show"))


def test_a_persistent_tap_outlives_it_with_its_addresses_and_is_attached_to_again(lab: Lab) -> None:
    lab.take_over(lab.start(), tap_flags=PERSIST)
    with inside(lab.host):
        keeper = os.open("/dev/net/tun", os.O_RDWR)
        flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE
        fcntl.ioctl(keeper, TUNSETIFF, struct.pack("16sH22x", b"eth0", flags))
    index = run("ip", "-n", lab.host, "-o", "link", "show", "eth0").split(":")[0]
    lab.stop(signal.SIGKILL)
    assert "192.168.0.1/24" in run("ip", "-n", lab.host, "address", "show", "eth0")
    client = lab.start()
    assert client.call("tap_create_v3", **lab.tap(ATTACH | PERSIST))["retval"] == 0
    assert run("ip", "-n", lab.host, "-o", "link", "show", "eth0").split(":")[0] == index
    os.close(keeper)


def test_attaching_never_makes_the_tap(lab: Lab) -> None:
    assert lab.start().call("tap_create_v3", **lab.tap(ATTACH | PERSIST))["retval"] == -13
    assert "eth0" not in run("ip", "-n", lab.host, "link", "show")


def test_deleting_a_tap_clears_its_persistence(lab: Lab) -> None:
    client = lab.start()
    assert client.call("tap_create_v3", **lab.tap(PERSIST))["retval"] == 0
    assert client.call("tap_delete_v2", sw_if_index=1)["retval"] == 0
    eventually(lambda: "eth0" not in run("ip", "-n", lab.host, "link", "show"))


def test_a_namespace_that_cannot_be_found_refuses_the_tap(lab: Lab) -> None:
    fields = {**lab.tap(0), "host_namespace": "pid:999999999"}
    assert lab.start().call("tap_create_v3", **fields)["retval"] == -12


def test_frames_of_a_device_that_a_request_closed_at_the_same_moment_are_nobodys(lab: Lab) -> None:
    """Both are ready when it looks, the request first."""
    client = lab.start()
    lab.take_over(client)
    assert lab.process is not None
    lab.process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, lab.process.pid, os.WSTOPPED)
    client.send("af_packet_delete", host_if_name="up0")
    run("ip", "-n", lab.wire, "neighbor", "add", "192.168.0.77", "lladdr", "02:00:00:00:00:77", "dev", "wire0")
    with inside(lab.wire), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        sending.sendto(b"to nobody", ("192.168.0.77", 9))
    lab.process.send_signal(signal.SIGCONT)
    assert client.reply()["retval"] == 0
    assert (
        client.call("af_packet_create_v3", mode=1, flags=2, host_if_name="up0", use_random_hw_addr=True)["retval"] == 0
    )
    assert client.call("control_ping")["retval"] == 0


def test_the_definitions_are_enough_for_the_client_library(lab: Lab) -> None:
    """In a process of its own: the library keeps the types of the first VPP that it met."""
    lab.start()
    code = (
        "import sys; from vpp_papi import VPPApiClient\n"
        "c = VPPApiClient(bootstrapapi=True, server_address=sys.argv[1]); c.connect('t')\n"
        "print(c.api.show_version().program, len(c.api.sw_interface_dump())); c.disconnect()"
    )
    assert run(sys.executable, "-c", code, str(lab.socket)).split() == ["hostlink-standin", "1"]


def test_devices_that_are_gone_leave_it_answering_and_at_rest(lab: Lab) -> None:
    client = lab.start()
    lab.take_over(client)
    run("ip", "-n", lab.host, "link", "del", "eth0")
    run("ip", "-n", lab.vpp, "link", "del", "up0")
    assert client.call("control_ping")["retval"] == 0
    assert lab.process is not None
    before = cpu_s(lab.process.pid)
    time.sleep(0.5)
    assert cpu_s(lab.process.pid) - before < 0.1
    assert client.call("tap_delete_v2", sw_if_index=steps.TAP)["retval"] == 0
    assert client.call("af_packet_delete", host_if_name="up0")["retval"] == 0
