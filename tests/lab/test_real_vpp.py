"""Starting a VPP in a namespace: what is told when it does not come up, and that nothing of it stays."""

import os
from pathlib import Path

import pytest
import trio

from hostlink.lab.real_vpp import VppDidNotStart, find_vpp, running_vpp

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


@pytest.fixture
async def namespace():
    name = f"hl-{os.getpid()}-start"
    await trio.run_process(["ip", "netns", "add", name])
    yield name
    await trio.run_process(["ip", "netns", "delete", name])


def script(directory: Path, text: str) -> str:
    path = directory / "vpp"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


async def start(binary, namespace, directory, **settings):
    async with running_vpp(binary, namespace, directory, **settings):
        raise AssertionError("it came up")


@needs_root
async def test_a_vpp_that_ends_is_told_with_the_end_of_its_log(namespace, tmp_path):
    binary = script(tmp_path, "echo 'no memory here' >&2; exit 3")
    with pytest.raises(VppDidNotStart, match=r"(?s)in hl-.* ended with status 3; the end of its log:\nno memory here"):
        await start(binary, namespace, tmp_path)


@needs_root
async def test_one_that_hangs_is_given_up_and_killed_with_its_children(namespace, tmp_path):
    binary = script(tmp_path, f"sleep 1000 & echo $! > {tmp_path}/child; echo $$ > {tmp_path}/self; wait")
    with pytest.raises(VppDidNotStart, match=r"did not open its API socket within 0.5 s"):
        await start(binary, namespace, tmp_path, deadline_s=0.5)
    for name in ("child", "self"):
        await wait_ended(int((tmp_path / name).read_text()))


@needs_root
async def test_a_namespace_that_is_not_there_is_told(tmp_path):
    with pytest.raises(VppDidNotStart, match="Cannot open network namespace"):
        await start("/bin/true", "hl-absent", tmp_path)


@needs_root
@pytest.mark.skipif(find_vpp() is None, reason="no VPP found: neither $HOSTLINK_VPP nor vpp on PATH")
async def test_a_real_vpp_runs_in_the_namespace_and_is_gone_afterwards(namespace, tmp_path):
    before = set(os.listdir("/dev/shm"))
    async with running_vpp(find_vpp(), namespace, tmp_path) as vpp:
        identify = await trio.run_process(["ip", "netns", "identify", str(vpp.process.pid)], capture_stdout=True)
        assert identify.stdout.decode().strip() == namespace
    await wait_ended(vpp.process.pid)
    assert set(os.listdir("/dev/shm")) <= before


def test_vpp_is_looked_for_where_it_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("HOSTLINK_VPP", script(tmp_path, "true"))
    assert find_vpp() == str(tmp_path / "vpp")
    monkeypatch.setenv("HOSTLINK_VPP", str(tmp_path / "absent"))
    assert find_vpp() is None


async def wait_ended(process_id: int) -> None:
    """Wait until a process is gone, or dead and only not yet collected by its foster parent."""
    try:
        descriptor = os.pidfd_open(process_id)
    except ProcessLookupError:
        return
    with trio.fail_after(5):
        await trio.lowlevel.wait_readable(descriptor)
    os.close(descriptor)
