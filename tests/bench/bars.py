"""From measurements to bars. Pure: nothing here starts or reads anything.

A run is {scenario: [measurement or None, one a round]}. Ratios are taken within a round, where both sides met the same
machine; of these the median counts.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Rounds = dict[str, list[dict[str, Any] | None]]


@dataclass(frozen=True)
class Figure:
    """The median of several rounds, and how far they went apart."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Figure | None":
        if not values:
            return None
        return cls(statistics.median(values), min(values), max(values))


def figure(rounds: Rounds, scenario: str, key: str) -> Figure | None:
    return Figure.of([each[key] for each in rounds.get(scenario, []) if each and key in each])


def ratio(rounds: Rounds, key: str, above: str, below: str) -> Figure | None:
    """above / below of each round in which both were measured."""
    pairs = zip(rounds.get(above, []), rounds.get(below, []))
    return Figure.of([a[key] / b[key] for a, b in pairs if a and b and b.get(key)])


def cpu(rounds: Rounds, scenario: str) -> dict[str, float]:
    """CPU us per call: medians by process; workers are added up."""
    found: dict[str, list[float]] = {}
    for measured in rounds.get(scenario, []):
        sums: dict[str, float] = {}
        for process, used in (measured or {}).get("cpu_us_per_call", {}).items():
            kind = process.rstrip("0123456789")
            sums[kind] = sums.get(kind, 0.0) + used
        for kind, used in sums.items():
            found.setdefault(kind, []).append(used)
    return {kind: value.median for kind, used in found.items() if (value := Figure.of(used))}


def best(rounds: Rounds, key: str, scenarios: Sequence[str], largest: bool) -> str | None:
    """Which of these scenarios has the best median."""
    found = {name: value for name in scenarios if (value := figure(rounds, name, key)) is not None}
    if not found:
        return None
    choose = max if largest else min
    return choose(found, key=lambda name: found[name].median)


# Each peer by its ways to be used; its better one counts.
PEERS = {
    "NATS": ("nats",),
    "Redis": ("redis_batch", "redis_plain"),
    "gRPC": ("grpc_sync", "grpc_aio"),
    "zmq_proxy + pyzmq": ("proxy_plain", "proxy_tuned"),
}
BROKERED = ("NATS", "Redis", "gRPC")


def peer_ratios(rounds: Rounds, key: str, outstanding: int, largest: bool) -> dict[str, Figure]:
    """Samovar / each peer in its better way, at so many outstanding."""
    found = {}
    for peer in BROKERED:
        ways = [f"{way}/{outstanding}" for way in PEERS[peer]]
        way = best(rounds, key, ways, largest)
        value = way and ratio(rounds, key, f"samovar/{outstanding}", way)
        if value:
            found[peer] = value
    return found


def _worst(ratios: dict[str, Figure], largest: bool) -> Figure | None:
    """The ratio to the strongest peer."""
    if not ratios:
        return None
    choose = min if largest else max
    return choose(ratios.values(), key=lambda value: value.median)


@dataclass(frozen=True)
class Bar:
    """A demand. `at_least` False: at most. No bound: the figure is only printed."""

    name: str
    what: str
    value: Callable[[Rounds], Figure | None]
    bound: float | None
    aim: float | None = None
    at_least: bool = True

    def verdict(self, rounds: Rounds) -> str:
        value = self.value(rounds)
        if value is None:
            return "missing"
        if self.bound is None:
            return "ok"
        met = value.median >= self.bound if self.at_least else value.median <= self.bound
        return "ok" if met else "short"

    def line(self, rounds: Rounds) -> str | None:
        """BAR <name> <value> <bound> ok|short; None when it was not measured. The bound is - when there is none."""
        value = self.value(rounds)
        if value is None:
            return None
        shown = f"{value.median:.3g}" if value.median < 1000 else f"{value.median:.0f}"
        bound = "-" if self.bound is None else f"{self.bound:g}"
        return f"BAR {self.name} {shown} {bound} {self.verdict(rounds)}"


def _ratio(key: str, above: str, below: str) -> Callable[[Rounds], Figure | None]:
    return lambda rounds: ratio(rounds, key, above, below)


def _figure(scenario: str, key: str) -> Callable[[Rounds], Figure | None]:
    return lambda rounds: figure(rounds, scenario, key)


BARS = [
    Bar(
        "python_1000_vs_limit",
        "calls/s, one Python worker, 1,000 outstanding / the limit",
        _ratio("rps", "samovar/1000", "limit/1000"),
        1.2,
        2.0,
    ),
    Bar(
        "python_1000_vs_plain_pyzmq",
        "the same / zmq_proxy and a plain pyzmq worker",
        _ratio("rps", "samovar/1000", "proxy_plain/1000"),
        8,
        15,
    ),
    Bar(
        "python_64_vs_limit",
        "at 64 outstanding / the limit",
        _ratio("rps", "samovar/64", "limit/64"),
        1.0,
        1.4,
    ),
    Bar(
        "clients8_vs_limit8",
        "8 client processes, 1,000 outstanding together / the limit with 8",
        _ratio("rps", "samovar_8_clients/1000", "limit_8_clients/1000"),
        1.1,
        1.5,
    ),
    Bar(
        "workers2_1000_vs_limit",
        "two Python workers, 1,000 outstanding / the limit",
        _ratio("rps", "samovar_2_workers/1000", "limit/1000"),
        1.5,
        2.0,
    ),
    Bar(
        "null_worker_vs_limit",
        "C++ null worker behind samovard, 1,000 outstanding / the limit",
        _ratio("rps", "samovar_null/1000", "limit/1000"),
        1.8,
        2.8,
    ),
    Bar(
        "p50_vs_tuned_pyzmq",
        "p50 with 1 outstanding / zmq_proxy and a tuned pyzmq worker",
        _ratio("p50_us", "samovar/1", "proxy_tuned/1"),
        1.05,
        0.8,
        at_least=False,
    ),
    Bar(
        "p99_vs_tuned_pyzmq",
        "p99 with 1 outstanding / the same",
        _ratio("p99_us", "samovar/1", "proxy_tuned/1"),
        1.2,
        1.0,
        at_least=False,
    ),
    Bar(
        "p50_one_core_vs_tuned_pyzmq",
        "p50 with 1 outstanding, everything on one core / the same, anywhere",
        _ratio("p50_us", "samovar_one_core/1", "proxy_tuned/1"),
        None,
        0.5,
        at_least=False,
    ),
    Bar(
        "p50_vs_stdio",
        "p50 with 1 outstanding / stdio done well, back to back",
        _ratio("p50_us", "samovar/1", "stdio/1"),
        None,
        2,
        at_least=False,
    ),
    Bar(
        "p50_vs_stdio_pauses",
        "the same with 200 us between calls",
        _ratio("p50_us", "samovar_pause/1", "stdio_pause/1"),
        None,
        2,
        at_least=False,
    ),
    Bar(
        "body_1MiB_vs_proxy",
        "1 MiB bodies to and fro, GB/s, as attachments, C++ worker / zmq_proxy, C++ worker",
        _ratio("rps", "samovar_null_body_1MiB_attached/4", "limit_body_1MiB/4"),
        0.95,
        3,
    ),
    Bar(
        "body_1MiB_vs_proxy_python",
        "the same with a Python worker on both sides",
        _ratio("rps", "samovar_body_1MiB_attached/4", "proxy_echo_python_body_1MiB/4"),
        0.95,
        3,
    ),
    Bar(
        "vs_best_peer",
        "calls/s, 1,000 outstanding / the best of NATS, Redis and gRPC, each in its better way",
        lambda rounds: _worst(peer_ratios(rounds, "rps", 1000, True), True),
        1.0,
        4,
    ),
    Bar(
        "p50_vs_peers",
        "p50 with 1 outstanding / the best of them",
        lambda rounds: _worst(peer_ratios(rounds, "p50_us", 1, False), False),
        None,
        1.0,
        at_least=False,
    ),
    Bar(
        "http_1000_vs_none",
        "calls/s, 1,000 outstanding, beside 100 calls a second, a page and scrapes over HTTP / without HTTP",
        _ratio("rps", "samovar_http/1000", "samovar/1000"),
        0.9,
    ),
    Bar(
        "http_p99_vs_none",
        "p99 with 1 outstanding beside the same / without HTTP",
        _ratio("p99_us", "samovar_http/1", "samovar/1"),
        1.5,
        1.1,
        at_least=False,
    ),
    Bar(
        "core_instructions_ratio",
        "instructions per request in the core, 10,000 clients, 1,000 workers, 1,000,000 queued / 1, 1, 0",
        _ratio("instructions", "core_instructions/large", "core_instructions/small"),
        1.5,
        1.1,
        at_least=False,
    ),
    Bar(
        "memory_per_queued_request",
        "bytes per queued request beyond its body",
        _figure("queue_memory", "bytes"),
        300,
        150,
        at_least=False,
    ),
    Bar(
        "connections_1000_vs_1",
        "calls/s with 1,000 connections / with 1",
        _ratio("rps", "samovar_connections_1000/1000", "samovar_connections_1/1000"),
        0.8,
        1.0,
    ),
    Bar(
        "connections_1000_vs_limit",
        "calls/s with 1,000 connections / zmq_proxy and C++ echo with 1,000 connections",
        _ratio("rps", "samovar_connections_1000/1000", "limit_connections_1000/1000"),
        None,
    ),
    Bar(
        "samovard_start_ms",
        "samovard from start to ready, ms",
        _figure("samovard_start", "ms"),
        50,
        10,
        at_least=False,
    ),
    Bar(
        "samovar_call_ms",
        "samovar call as a whole process, ms",
        _figure("samovar_call", "ms"),
        50,
        10,
        at_least=False,
    ),
    Bar(
        "slow_item_first_reply_ms",
        "first reply of a bundle of 32 whose 17th item sleeps for 50 ms without warning, ms",
        _figure("slow_item", "first_ms"),
        None,
        at_least=False,
    ),
    Bar(
        "slow_item_held_replies",
        "how many of the 16 replies before it wait for it (items of 20 us, a flush each 200 us)",
        _figure("slow_item", "held"),
        None,
        10,
        at_least=False,
    ),
    Bar(
        "fork_ready_ms",
        "one more worker, forked, from the command to ready, ms; its package has 2,000,000 tuples",
        _figure("pool_memory", "fork_ready_ms"),
        50,
        at_least=False,
    ),
    Bar(
        "fresh_load_ms",
        "what a fresh load of it takes: samovar-worker from start to ready, ms",
        _figure("pool_memory", "fresh_load_ms"),
        None,
    ),
    Bar(
        "memory_4_workers_after_fork",
        "memory (PSS) of the zygote and 4 workers of it / of one process that has loaded it",
        _figure("pool_memory", "after_fork"),
        1.05,
        at_least=False,
    ),
    Bar(
        "memory_hot_keys",
        "the same after 1,000 hot keys, asked 100 times each in each worker",
        _figure("pool_memory", "hot"),
        1.15,
        at_least=False,
    ),
    Bar(
        "memory_compact_uniform",
        "the same with compact data after 100,000 uniform look-ups in each worker",
        _figure("pool_memory", "compact"),
        1.1,
        at_least=False,
    ),
    Bar(
        "memory_uniform_objects",
        "the same with Python objects after 100,000 uniform look-ups in each worker",
        _figure("pool_memory", "uniform_objects"),
        None,
        at_least=False,
    ),
    Bar(
        "hang_p99_ratio",
        "p99 at 100 calls/s, 4 workers and a spare, when 1 % of the calls hang (limit 200 ms) / when none does",
        _figure("pool_hang", "p99_ratio"),
        2,
        at_least=False,
    ),
    Bar(
        "hang_capacity_back_ms",
        "from the kill of a hanging worker until four are ready again, ms, the worst of five",
        _figure("pool_hang", "capacity_back_ms"),
        200,
        at_least=False,
    ),
    Bar(
        "reload_failed_calls",
        "calls that failed during ten reloads under full load",
        _figure("pool_reload", "failed"),
        0,
        at_least=False,
    ),
    Bar(
        "overload_goodput",
        "calls done a second at 2, 5 and 10 times the capacity, the least / the peak of all loads",
        _figure("overload", "goodput"),
        0.95,
    ),
    Bar(
        "overload_refused_p99_ms",
        "until a refused call hears, p99 at the worst of these loads, ms",
        _figure("overload", "refused_p99_ms"),
        5,
        at_least=False,
    ),
    Bar(
        "overload_late_share",
        "accepted calls that miss their deadline of 100 ms, the largest share at these loads",
        _figure("overload", "late_share"),
        0.01,
        at_least=False,
    ),
    Bar(
        "overload_broker_mb",
        "memory of samovard (its highest resident size) after 10 times the capacity, MB",
        _figure("overload", "broker_mb"),
        None,
        at_least=False,
    ),
    Bar(
        "overload_light_client_ms",
        "p99 of a client with 50 calls/s beside one with 10 times the capacity - its p99 alone, ms",
        _figure("overload", "light_more_ms"),
        5,
        at_least=False,
    ),
    Bar(
        "brokers_unevenness",
        "3 brokers, 6 workers: how far the requests of one are from the mean of the three, as a share of it",
        _figure("brokers", "unevenness"),
        0.15,
        at_least=False,
    ),
    Bar(
        "brokers_kill_idempotent_failed",
        "idempotent calls that failed while each of 3 brokers was killed and started again",
        _figure("brokers", "kill_idempotent_failed"),
        0,
        at_least=False,
    ),
    Bar(
        "brokers_kill_lost",
        "others that ended as broker_lost, for each kill; 48 calls are under way",
        _figure("brokers", "kill_lost"),
        48,
        at_least=False,
    ),
    Bar(
        "brokers_kill_other_errors",
        "others that ended otherwise",
        _figure("brokers", "kill_other_errors"),
        0,
        at_least=False,
    ),
    Bar(
        "brokers_rolling_failed",
        "calls that failed while each of 3 brokers was ended by SIGTERM and started again",
        _figure("brokers", "rolling_failed"),
        0,
        at_least=False,
    ),
]
