"""What was said since the last look: of the host it is kept, and of VPP until VPP is read."""

from __future__ import annotations

from ipaddress import ip_network

import trio.testing

from hostlink.core.model import Route
from hostlink.core.route_changes import Change, RouteChange
from hostlink.steps.inbox import Inbox

CHANGE: Change = (RouteChange(Route(ip_network("20.0.0.0/24"), 254)), None)


def looked() -> Inbox:
    inbox = Inbox()
    assert inbox.everything, "nothing is known yet"
    inbox.begin_look()
    assert not inbox.everything
    return inbox


def test_what_vpp_said_before_it_is_read_is_no_news() -> None:
    """As of what hostlink itself has just set up there."""
    inbox = looked()
    inbox.look_at_vpp()
    assert inbox.everything
    inbox.begin_comparing()
    assert not inbox.everything
    inbox.look_at_vpp()
    assert inbox.everything
    inbox.begin_look()
    assert not inbox.everything


def test_route_messages_are_kept_whatever_vpp_says() -> None:
    """The look that answers VPP's word may be one at VPP alone."""
    inbox = looked()
    inbox.look_at_vpp()
    inbox.routes([CHANGE])
    inbox.begin_comparing()
    assert (inbox.everything, inbox.take()) == (False, [CHANGE])


def test_reading_vpp_answers_nothing_that_the_host_said() -> None:
    inbox = looked()
    inbox.look_at_everything()
    inbox.begin_comparing()
    inbox.routes([CHANGE])
    assert (inbox.everything, len(inbox)) == (True, 0)


async def test_who_waits_for_messages_hears_of_vpp_too() -> None:
    inbox = looked()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(inbox.wait_more)
        await trio.testing.wait_all_tasks_blocked()
        inbox.look_at_vpp()


def test_of_what_was_heard_it_is_known_how_much_until_the_look_after_the_next() -> None:
    """Also of what was not kept: a look that is begun because of it goes by that, and one that is made in vain too."""
    inbox = looked()
    inbox.routes([CHANGE] * 3)
    inbox.look_at_everything()
    inbox.routes([CHANGE] * 2)
    assert inbox.heard == 5
    inbox.begin_look()
    assert inbox.heard == 5
    inbox.routes([CHANGE])
    assert inbox.heard == 6
    inbox.begin_look()
    assert inbox.heard == 1
    inbox.begin_look()
    assert inbox.heard == 0
