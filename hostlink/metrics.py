"""Metrics for Prometheus: what the machines did, and what is. Imported only where `[metrics]` is configured.

Counters and the histogram follow the bulletin (hostlink/notices.py); what *is* is read when somebody asks, so that
nothing is done while nothing happens. Names and units: https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric

from hostlink.core.table import STATES
from hostlink.notices import Moved, Notice, Reconverged
from hostlink.problems import explain
from hostlink.runner import Runner
from hostlink.steps.context import Node
from hostlink.version import installed_version

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""A single route is milliseconds, a takeover tenths of a second, a full table seconds."""


class Metrics:
    """The registry of one daemon. `hear` each notice; `text` whenever somebody asks."""

    def __init__(self, node: Node, runners: Sequence[Runner]) -> None:
        self._registry = CollectorRegistry()
        self._transitions = self._counter("transitions", "Moves of the machine", "uplink", "from", "to")
        self._changes = self._counter("operations", "Changes made to VPP and the host to make them agree", "uplink")
        self._healed = self._counter("drift_healed", "Changes that an audit found and put right", "uplink")
        self._rounds = Histogram(
            "hostlink_reconvergence_seconds",
            "From the notice of a change to its end",
            ["uplink"],
            registry=self._registry,
            buckets=BUCKETS_S,
        )
        self._registry.register(_Now(node, runners))
        ProcessCollector(registry=self._registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"hostlink_{name}_total", text, labels, registry=self._registry)

    def hear(self, notice: Notice) -> None:
        if isinstance(notice, Moved):
            move = notice.transition
            if move.frm is not move.to:
                self._transitions.labels(notice.uplink, STATES[move.frm].title, STATES[move.to].title).inc()
        elif isinstance(notice, Reconverged):
            ended = notice.round
            self._rounds.labels(notice.uplink).observe(ended.duration_s)
            self._changes.labels(notice.uplink).inc(ended.count)
            if ended.audit:
                self._healed.labels(notice.uplink).inc(ended.count)

    def text(self) -> bytes:
        """In Prometheus' text format (prometheus_client.CONTENT_TYPE_LATEST)."""
        return generate_latest(self._registry)


class _Now:
    """What is, at the moment of asking."""

    def __init__(self, node: Node, runners: Sequence[Runner]) -> None:
        self._node, self._runners = node, runners

    def collect(self) -> Iterator[Metric]:
        node = self._node
        yield InfoMetricFamily("hostlink", "This build, and the VPP it works with", self._builds())
        yield _gauge("hostlink_vpp_reachable", "Whether VPP answers", float(node.vpp.dataplane is not None))
        yield _counted("hostlink_vpp_losses", "How often VPP was lost under a takeover", len(node.losses))
        yield _counted("hostlink_netlink_overflows", "How often notifications of the kernel were lost", node.overflows)
        yield self._states()
        yield self._problems()
        yield self._mirrored()
        yield self._pending()

    def _builds(self) -> dict[str, str]:
        return {"version": installed_version(), "vpp_version": self._node.vpp.version or ""}

    def _states(self) -> Metric:
        found = GaugeMetricFamily("hostlink_state", "1 for the state that the uplink is in", None, ["uplink", "state"])
        for runner in self._runners:
            for state, text in STATES.items():
                found.add_metric([runner.uplink.name, text.title], float(runner.machine.state is state))
        return found

    def _problems(self) -> Metric:
        labels = ["uplink", "code", "severity"]
        found = GaugeMetricFamily("hostlink_problems", "What an operator should know now, by code", None, labels)
        for runner in self._runners:
            codes = [problem.code for problem in runner.problems]
            for code in sorted(set(codes)):
                severity = explain(code).severity.value
                found.add_metric([runner.uplink.name, code, severity], codes.count(code))
        return found

    def _pending(self) -> Metric:
        found = GaugeMetricFamily("hostlink_pending_operations", "Changes heard and not in VPP", None, ["uplink"])
        for runner in self._runners:
            found.add_metric([runner.uplink.name], len(runner.uplink.inbox))
        return found

    def _mirrored(self) -> Metric:
        labels = ["uplink", "kind"]
        found = GaugeMetricFamily("hostlink_mirrored", "What of the host's is in VPP", None, labels)
        for runner in self._runners:
            for kind in ("addresses", "routes_ipv4", "routes_ipv6"):
                found.add_metric([runner.uplink.name, kind], runner.uplink.mirrored.get(kind, 0))
        return found


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value)


def _counted(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value)
