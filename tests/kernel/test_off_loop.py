"""A system call off the loop, and without threads."""

import threading

import pytest
import trio

from hostlink.kernel.link import set_request
from hostlink.kernel.netlink import open_netlink
from hostlink.kernel.off_loop import off_loop
from hostlink.kernel.snapshot import read_link


async def test_it_is_done_in_a_thread_and_its_error_is_the_callers():
    assert await off_loop(threading.get_ident) != threading.get_ident()
    with pytest.raises(OSError, match="such"):
        await off_loop(open, "/absent/file")


async def test_without_threads_what_is_asked_of_a_link_is_asked_all_the_same(host, monkeypatch):
    """The way back leads over it, also where the limit of a control group is reached."""

    async def refused(*_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(trio.to_thread, "run_sync", refused)
    async with open_netlink(host) as nl:
        await nl.request(set_request(1, operation="set lo up", up=True))
        link = await read_link(nl, "lo")
    assert link is not None
    assert link.up
