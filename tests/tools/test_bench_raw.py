"""How the raw client reads what VPP answers, and the routes that benches make; `tools/bench --quick` runs the rest."""

import os
import struct
from ipaddress import ip_address, ip_network

import pytest
import trio

from hostlink.kernel.netlink import open_netlink
from hostlink.kernel.snapshot import read_view
from hostlink.vpp.frames import frame
from tools.benches.kernel_routes import add_routes, delete_routes, place, prefix
from tools.benches.raw import REPLY, RawError, check_replies, count_frames, ends_with
from tools.benches.reading import linked_namespace

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")
NETWORK = ip_network("10.0.0.0/24")


def reply(context, retval=0):
    return frame(struct.pack(">HIiI", 99, context, retval, 0))


def test_as_many_replies_as_requests_are_right():
    assert len(reply(1)) == REPLY.size
    check_replies(reply(1) + reply(2), 2)


@pytest.mark.parametrize(
    ("received", "says"),
    [
        (reply(1), "30 bytes of answers to 2 requests"),
        (reply(1) + reply(2)[:-1], "59 bytes of answers"),
        (reply(1) + reply(2, -3), "1 of 2 requests were refused"),
        (reply(1) + frame(b"x" * 13) + b"x", "1 of 2 requests were refused"),
    ],
)
def test_a_limit_is_not_measured_on_anything_else(received, says):
    with pytest.raises(RawError, match=says):
        check_replies(received, 2)


def test_frames_are_counted_whole():
    assert count_frames(frame(b"abc") + frame(b"") + frame(b"x" * 500)) == 3
    with pytest.raises(RawError, match="lacks 1 bytes"):
        count_frames(frame(b"abc") + frame(b"xyz")[:-1])


def test_a_dump_ends_with_the_answer_to_the_ping_behind_it():
    ping = struct.pack(">HI", 7, 2)
    assert ends_with(frame(b"details") + frame(ping + b"rest"), ping)
    assert not ends_with(frame(b"details") + frame(ping + b"rest")[:-1], ping)
    assert not ends_with(frame(b"details") + ping, ping)
    assert not ends_with(frame(ping + b"rest") + frame(b"details"), ping)


def test_a_route_has_one_number_as_a_value_and_packed():
    assert prefix(0) == ip_network("20.0.0.0/24")
    assert (prefix(257), place(257)) == (ip_network("20.1.1.0/24"), b"\x18\x14\x01\x01\x00")
    assert prefix(1_999_999).network_address < ip_address("64.0.0.0")


@needs_root
async def test_the_kernel_takes_them_and_lets_them_go():
    gateways = [ip_address("10.0.0.100"), ip_address("10.0.0.101")]
    async with linked_namespace("bench0", NETWORK) as (namespace, index), open_netlink(namespace) as host:

        async def there():
            view = await read_view(host, "bench0")
            return {route.prefix: route.next_hops[0].gateway for route in view.routes if route.prefix.prefixlen == 24}

        own = await there()
        await add_routes(namespace, index, gateways, range(1003))
        assert await there() == own | {prefix(number): gateways[number % 2] for number in range(1003)}
        with pytest.raises(OSError, match=r"the kernel refused the route 20\.0\.0\.0/24"):
            await add_routes(namespace, index, gateways, range(3))
        await delete_routes(namespace, index, gateways, range(1003))
        assert await there() == own


@needs_root
async def test_what_ip_has_made_goes_too():
    async with linked_namespace("bench0", NETWORK) as (namespace, index), open_netlink(namespace) as host:
        await trio.run_process(["ip", "-n", namespace, *f"route add {prefix(5)} via 10.0.0.100".split()])
        await delete_routes(namespace, index, [ip_address("10.0.0.100")], range(5, 6))
        view = await read_view(host, "bench0")
        assert prefix(5) not in {route.prefix for route in view.routes}
