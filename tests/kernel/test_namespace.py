"""Namespaces: entering, comparing, and what is none."""

from __future__ import annotations

import os
import socket
import subprocess
import threading

import pytest

from hostlink.kernel.errors import NoSuchNamespace
from hostlink.kernel.namespace import exists, identity, inside, open_file, path_of, same_namespace


def names() -> set[str]:
    return {name for _, name in socket.if_nameindex()}


def test_paths():
    assert str(path_of("vpp")) == "/run/netns/vpp"
    assert str(path_of("/proc/1/ns/net")) == "/proc/1/ns/net"
    assert identity(None) == identity("/proc/self/ns/net")


def test_inside_and_back_also_after_an_error(host):
    host.ip("link add br7 type bridge")
    home = identity(None)
    with inside(str(host)):
        assert names() == {"lo", "br7"}
    assert identity(None) == home
    with pytest.raises(RuntimeError, match="in there"), inside(str(host)):
        raise RuntimeError("in there")
    assert identity(None) == home


def test_other_threads_stay_where_they_are(host):
    seen = []
    with inside(str(host)):
        thread = threading.Thread(target=lambda: seen.append(os.stat("/proc/self/ns/net").st_ino))
        own = os.stat("/proc/thread-self/ns/net").st_ino
        main = os.stat(f"/proc/self/task/{os.getpid()}/ns/net").st_ino
        thread.start()
        thread.join()
    assert own == main == identity(str(host))[1], "the main thread was the one that went"
    assert seen == [own], "a thread inherits the namespace of the one that starts it: start none in there"


def test_by_descriptor_path_or_not_at_all(host):
    fd = open_file(str(host))
    try:
        with inside(fd):
            assert identity(None) == identity(str(host))
        with inside(f"/run/netns/{host}"):
            assert identity(None) == identity(str(host))
        os.fstat(fd)
    finally:
        os.close(fd)
    with inside(None):
        assert identity(None) == identity("/proc/self/ns/net")


def test_what_is_no_namespace(host, tmp_path):
    plain = tmp_path / "left-behind"
    plain.touch()
    assert exists(str(host))
    for other in (str(plain), "/proc/self/ns/mnt", "hl-kt-nowhere"):
        assert not exists(other)
        with pytest.raises(NoSuchNamespace), inside(other):
            pytest.fail("entered what is no network namespace")


def test_whether_a_process_lives_there(host, away):
    process = subprocess.Popen(["ip", "netns", "exec", host, "sleep", "60"])
    try:
        while os.readlink(f"/proc/{process.pid}/exe").endswith("/ip"):
            os.sched_yield()  # until ip has entered the namespace and become sleep
        assert same_namespace(str(host), process.pid)
        assert not same_namespace(str(away), process.pid)
        assert not same_namespace(None, process.pid)
        assert not same_namespace("hl-kt-nowhere", process.pid)
    finally:
        process.kill()
        process.wait()
    assert not same_namespace(str(host), process.pid), "a process that is gone lives nowhere"
