"""The descriptor store: what is sent to a service manager, and what is taken over from it."""

from __future__ import annotations

import array
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostlink import store as module
from hostlink.store import Store, open_store


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """What NOTIFY_SOCKET names."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(5)
        yield sock


def received(sock: socket.socket) -> tuple[str, list[int]]:
    data, rights, _, _ = sock.recvmsg(4096, socket.CMSG_SPACE(64))
    descriptors = array.array("i")
    for _, _, payload in rights:
        descriptors.frombytes(payload)
    return data.decode(), list(descriptors)


def test_a_descriptor_is_stored_in_place_of_an_earlier_one(manager: socket.socket, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("the very one")
    descriptor = os.open(file, os.O_RDONLY)
    Store(str(tmp_path / "notify")).put("keeper-eth0", descriptor)
    assert received(manager) == ("FDSTOREREMOVE=1\nFDNAME=keeper-eth0", [])
    text, descriptors = received(manager)
    assert text == "FDSTORE=1\nFDNAME=keeper-eth0"
    assert [os.read(one, 100) for one in descriptors] == [b"the very one"]
    for one in (descriptor, *descriptors):
        os.close(one)


def test_an_abstract_socket_is_one_too(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"\0{tmp_path}")
        sock.settimeout(5)
        Store(f"@{tmp_path}").drop("keeper-eth0")
        assert received(sock)[0] == "FDSTOREREMOVE=1\nFDNAME=keeper-eth0"


def test_a_manager_that_is_away_keeps_nobody_from_working(tmp_path: Path) -> None:
    Store(str(tmp_path / "nobody")).put("keeper-eth0", 0)
    Store().put("keeper-eth0", 0)


def test_what_was_kept_is_found_by_name_and_closed_when_it_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    first = os.open("/dev/null", os.O_RDONLY)
    second, third = os.dup(first), os.dup(first)
    monkeypatch.setattr(module, "_FIRST", min(first, second, third))
    assert sorted((first, second, third)) == list(range(min(first, second, third), min(first, second, third) + 3))
    os.set_inheritable(first, True)
    environment = {
        "LISTEN_PID": str(os.getpid()),
        "LISTEN_FDS": "3",
        "LISTEN_FDNAMES": "keeper-eth0:keeper-eth1:keeper-eth0",
        "NOTIFY_SOCKET": "",
        "HOME": "/",
    }
    store = open_store(environment)
    assert environment == {"HOME": "/"}, "no child may take them for its own"
    assert store.names == ("keeper-eth0", "keeper-eth1")
    assert not os.get_inheritable(first)
    store.drop("keeper-eth0")
    assert store.names == ("keeper-eth1",)
    for closed in (first, third):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(closed)
    os.close(second)


@pytest.mark.parametrize("pid", ["1", "", "nobody"])
def test_what_is_another_process_s_is_left_alone(pid: str) -> None:
    environment = {"LISTEN_PID": pid, "LISTEN_FDS": "1"}
    assert open_store(environment).names == ()
    assert environment == {}
