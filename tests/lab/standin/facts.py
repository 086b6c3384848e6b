"""A stand-in after the takeover of the design pages, on a bench, and what leaves it named by port."""

from __future__ import annotations

from hostlink.lab.standin.bench import Bench
from hostlink.lab.standin.codec import Values
from hostlink.lab.standin.packet import Frame
from tools.vpp_records import steps
from tools.vpp_records.steps import POD, TAP, UP, Request, Scenario, Send

SHARED, SHARED6, SHARED_LL = "192.168.0.1", "fd00::1", "fe80::aa"
ROUTER, ROUTER6, ROUTER_LL = "192.168.0.254", "fd00::fe", "fe80::fe"
FAR, FAR6, POD_IP = "203.0.113.9", "2001:db8::9", "10.0.0.5"
PORTS = {UP: "up", TAP: "tap", POD: "pod"}


class Node:
    """The bench, driven by steps."""

    def __init__(self, scenario: Scenario) -> None:
        self.bench = Bench()
        for step in scenario:
            assert isinstance(step, Request)
            assert self.ask(step) == 0, step

    def ask(self, step: Request) -> int:
        """The retval."""
        retval = self.bench.call(step.name, **step.fields)["retval"]
        assert isinstance(retval, int)
        return retval

    def dump(self, step: Request) -> list[Values]:
        return self.bench.dump(step.name, **step.fields)

    def feed(self, sent: Send) -> list[tuple[str, bytes]]:
        """(port, frame) of everything that leaves."""
        return [(PORTS[out.sw_if_index], out.data) for out in self.frames(sent)]

    def frames(self, sent: Send) -> list[Frame]:
        index = next(index for index, port in PORTS.items() if port == sent.port)
        return self.bench.feed(index, sent.frame, sent.offload)

    def ports(self, sent: Send) -> list[str]:
        """Only where it leaves."""
        return [port for port, _ in self.feed(sent)]

    def why(self) -> set[str]:
        """The reasons of drops so far, as `show errors` counts them."""
        return {reason for _, reason in self.bench.state.errors}


def taken_over() -> Node:
    return Node(steps.taken_over())
