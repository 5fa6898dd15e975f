"""Tables of a run in Markdown. Pure."""

from collections.abc import Sequence
from typing import Any

from bench import bars
from bench.bars import Rounds, figure

# How a setup is called on the page, in its order.
PATHS = {
    "limit": "**the limit**: zmq_proxy, C++ echo, 2 frames",
    "limit_1_frame": "zmq_proxy, C++ echo, 1 frame",
    "limit_tcp": "the limit, over tcp",
    "limit_connections_1000": "the limit, over 1,000 connections",
    "direct_plain": "no broker: pyzmq, plain",
    "direct_tuned": "no broker: pyzmq, tuned",
    "proxy_plain": "zmq_proxy, pyzmq worker, plain",
    "proxy_tuned": "zmq_proxy, pyzmq worker, tuned",
    "samovar": "**Samovar**, 1 Python worker",
    "samovar_decoded": "Samovar, answer decoded into a struct",
    "samovar_http": "Samovar, 1 Python worker, HTTP beside",
    "samovar_2_workers": "Samovar, 2 Python workers",
    "samovar_tcp": "Samovar, over tcp",
    "samovar_2_workers_tcp": "Samovar, 2 Python workers, over tcp",
    "samovar_null": "Samovar, C++ null worker",
    "samovar_connections_1": "Samovar, 1 request a message, 1 connection",
    "samovar_connections_1000": "Samovar, 1 request a message, 1,000 connections",
    "stdio": "a resident process over stdio, JSON lines",
    "nats": "NATS, Python responder",
    "redis_batch": "Redis lists, Python worker in batches",
    "redis_plain": "Redis lists, Python worker one by one",
    "grpc_sync": "gRPC, Python server with threads",
    "grpc_aio": "gRPC, Python server on asyncio",
}
OUTSTANDING = (1, 64, 1000)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return "(not measured)"
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def spread(value: bars.Figure | None, scale: float = 1.0, form: str = ",.0f") -> str:
    if value is None:
        return ""
    median, low, high = (format(x * scale, form) for x in (value.median, value.low, value.high))
    return f"{median} ({low} - {high})" if low != high else median


def bar_table(rounds: Rounds) -> str:
    rows = []
    for bar in bars.BARS:
        value = bar.value(rounds)
        sign = "" if bar.bound is None else ("at least " if bar.at_least else "at most ")
        rows.append(
            [
                f"`{bar.name}`: {bar.what}",
                spread(value, form=".2f" if value and value.median < 100 else ",.0f"),
                "printed" if bar.bound is None else f"{sign}{bar.bound:g}",
                "" if bar.aim is None else f"{bar.aim:g}",
                f"**{verdict}**" if (verdict := bar.verdict(rounds)) == "short" else verdict,
            ]
        )
    return table(["bar", "measured (lowest - highest)", "demanded", "aim", ""], rows)


def throughput(rounds: Rounds) -> str:
    rows = []
    for name, label in PATHS.items():
        cells = [spread(figure(rounds, f"{name}/{n}", "rps")) for n in OUTSTANDING]
        if any(cells):
            rows.append([label, *cells])
    return table(["calls/s", "1 outstanding", "64", "1,000"], rows)


def latency(rounds: Rounds) -> str:
    names = {
        **PATHS,
        "proxy_tuned_one_core": "zmq_proxy, tuned pyzmq, all on one core",
        "samovar_one_core": "Samovar, all on one core",
        "stdio_pause": "stdio, 200 us between calls",
        "samovar_pause": "Samovar, 200 us between calls",
        "way_nudge": "the article: resident, epoll, 500 ms nudge",
        "way_per_call": "the article: a Python process per call",
    }
    rows = []
    for name, label in names.items():
        if p50 := figure(rounds, f"{name}/1", "p50_us"):
            rows.append([label, spread(p50), spread(figure(rounds, f"{name}/1", "p99_us"))])
    return table(["us, 1 outstanding", "p50", "p99"], rows)


def cpu(rounds: Rounds) -> str:
    rows = []
    for name, label in PATHS.items():
        for outstanding in OUTSTANDING:
            if used := bars.cpu(rounds, f"{name}/{outstanding}"):
                parts = [
                    f"{used[k]:.2f}" if k in used else "" for k in ("client", "broker", "worker")
                ]
                rows.append([label, str(outstanding), *parts, f"{sum(used.values()):.2f}"])
    return table(["CPU us per call", "outstanding", "client", "broker", "worker", "all"], rows)


def bodies(rounds: Rounds, sizes: dict[str, int]) -> str:
    ways = {
        "limit_body_{}": "zmq_proxy, C++ echo",
        "proxy_echo_python_body_{}": "zmq_proxy, pyzmq echo",
        "samovar_null_body_{}": "Samovar, C++ worker, as an argument",
        "samovar_null_body_{}_attached": "Samovar, C++ worker, as an attachment",
        "samovar_body_{}": "Samovar, Python worker, as an argument",
        "samovar_body_{}_attached": "Samovar, Python worker, as an attachment",
    }
    rows = []
    for pattern, label in ways.items():
        cells = []
        for size, count in sizes.items():
            names = [name for name in rounds if name.startswith(pattern.format(size) + "/")]
            value = figure(rounds, names[0], "rps") if names else None
            cells.append(spread(value, count / 1e9, ".3f"))
        if any(cells):
            rows.append([label, *cells])
    return table(["GB/s, each way", *sizes], rows)


def peers(rounds: Rounds) -> str:
    rows = []
    for outstanding, key, largest in ((1000, "rps", True), (64, "rps", True), (1, "p50_us", False)):
        for peer, value in bars.peer_ratios(rounds, key, outstanding, largest).items():
            what = "calls/s" if key == "rps" else "p50"
            rows.append([f"Samovar / {peer}, {what}", str(outstanding), spread(value, form=".2f")])
    return table(["ratio", "outstanding", "median (lowest - highest)"], rows)


def core(rounds: Rounds) -> str:
    rows = []
    for name in rounds:
        if name.startswith("core_instructions/"):
            value = figure(rounds, name, "instructions")
            case = name.partition("/")[2]
            case = {"small": "1_1_0_1", "large": "10000_1000_1000000_1"}.get(case, case)
            rows.append([*(f"{int(each):,}" for each in case.split("_")), spread(value)])
    head = ["clients", "workers", "queued", "requests in a message", "instructions per request"]
    counted = table(head, rows)
    times: dict[str, float] = next((each for each in rounds.get("core_times", []) if each), {})
    cells = [[_case(name), f"{ns:,.0f}"] for name, ns in times.items()]
    return counted + "\n\n" + table(["by Google Benchmark", "ns of CPU per request"], cells)


def _case(name: str) -> str:
    parts = [part.split(":") for part in name.split("/") if ":" in part]
    return ", ".join(f"{int(v):,} {k}" for k, v in parts if k != "iterations")


def instructions(rounds: Rounds) -> str:
    labels = {
        "instructions/samovard": "samovard, C++ null worker",
        "instructions/client": "the C++ client (and the driver) of the same",
        "instructions/proxy": "zmq_proxy, C++ echo",
    }
    rows = []
    for name, label in labels.items():
        if value := figure(rounds, name, "instructions"):
            rows.append([label, spread(value)])
    return table(["1,000 outstanding, under callgrind", "instructions per call"], rows)


def machine(described: dict[str, Any]) -> str:
    before, after = described["load_average_before"], described["load_average_after"]
    rows = [
        ["when", f"{described['when']}, {described['rounds']} rounds in {described['seconds']} s"],
        ["machine", f"{described['cpu']}, {described['cores']} cores, Linux {described['kernel']}"],
        ["load average", f"{before[0]} before, {after[0]} after (the benchmark's own included)"],
        *[[name, str(version)] for name, version in described["versions"].items()],
    ]
    return table(["measured", "with"], rows).replace("---:", "---")


def overload(rounds: Rounds) -> str:
    rows = []
    for measured in rounds.get("overload", []):
        for point in (measured or {}).get("points", []):
            rows.append(
                f"| {point['load']:g} x | {point['offered_rps']:,.0f} | {point['goodput_rps']:,.0f}"
                f" | {point['refused_share']:.1%} | {point['refused_p99_ms']:.2f} ms"
                f" | {point['late_share']:.2%} | {point['p99_ms']:.1f} ms | {point['broker_mb']:.0f} MB |"
            )
    head = "| load | offered/s | done/s | refused | p99 until refused | late of the accepted | p99 | broker |"
    return "\n".join([head, "|---|---|---|---|---|---|---|---|", *rows])
