"""The pure parts of script/bench: ratios, bars, tables, the page. Nothing is measured here."""

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from bench import bars, bench, driving, page, plots, tables
from bench.scenarios import SCENARIOS

SECTION = "## python_1000_vs_limit\n\nPython is slow.\n"


def measured(rps: float, p50: float = 100.0) -> dict[str, Any]:
    return {
        "calls": int(rps),
        "seconds": 1.0,
        "rps": rps,
        "p50_us": p50,
        "p90_us": 2 * p50,
        "p99_us": 3 * p50,
        "max_us": 9 * p50,
        "cpu_us_per_call": {"client": 1.0, "broker": 2.0, "worker": 3.0, "worker1": 1.0},
    }


@pytest.fixture
def rounds() -> bars.Rounds:
    """Three rounds in which all that there is was measured."""
    found: bars.Rounds = {}
    for number, scenario in enumerate(SCENARIOS):
        found[scenario.name] = [measured(1000.0 + number + i) for i in range(3)]
    for name in ("way_per_call/1", "way_nudge/1"):
        found[name] = [measured(10.0)]
    found["queue_memory"] = [{"bytes": 440.0}]
    found["core_instructions/small"] = [{"instructions": 1000.0}]
    found["core_instructions/large"] = [{"instructions": 1100.0}]
    for name in ("samovard", "client", "proxy"):
        found[f"instructions/{name}"] = [{"instructions": 9000.0}]
    found["core_times"] = [{"dispatched/clients:1/workers:64/queued:0/iterations:5": 1500.0}]
    found["samovard_start"] = [{"ms": 12.0}] * 3
    found["slow_item"] = [{"first_ms": 0.9, "held": 6}] * 3
    found["samovar_call"] = [{"ms": 80.0}] * 3
    memory = {"after_fork": 1.01, "hot": 1.08, "compact": 1.02, "uniform_objects": 2.7}
    found["pool_memory"] = [{**memory, "fork_ready_ms": 30.0, "fresh_load_ms": 1700.0}]
    found["pool_hang"] = [{"p99_ratio": 1.1, "capacity_back_ms": 20.0}]
    point = {
        "offered_rps": 900.0,
        "goodput_rps": 900.0,
        "refused_share": 0.5,
        "refused_p99_ms": 1.0,
    }
    point |= {"late_share": 0.0, "p99_ms": 99.0, "broker_mb": 9.0}
    beyond = {"goodput": 0.99, "refused_p99_ms": 1.0, "late_share": 0.0, "broker_mb": 9.0}
    points = [{**point, "load": load} for load in (0.5, 1.0, 2.0)]
    found["overload"] = [{**beyond, "light_more_ms": 0.1, "capacity_rps": 1000.0, "points": points}]
    found["brokers"] = [
        {
            "unevenness": 0.01,
            "kill_idempotent_failed": 0,
            "kill_lost": 16.0,
            "kill_other_errors": 0,
            "rolling_failed": 0,
        }
    ]
    found["pool_reload"] = [{"failed": 0, "calls": 100_000}]
    return found


@pytest.fixture
def results(rounds: bars.Rounds) -> dict[str, Any]:
    machine = {
        "when": "2026-11-25 02:00 UTC",
        "cpu": "a processor",
        "cores": 2,
        "kernel": "6.1",
        "load_average_before": [0.1, 0.2, 0.3],
        "load_average_after": [1.1, 1.2, 1.3],
        "seconds": 100,
        "rounds": 3,
        "versions": {"libzmq": "4.3.4"},
    }
    return {"machine": machine, "rounds": rounds, "failures": {"nats": "nats-server is missing"}}


def test_a_ratio_is_taken_within_each_round_and_then_the_median() -> None:
    rounds: bars.Rounds = {
        "a/1": [measured(100), measured(300), measured(40)],
        "b/1": [measured(100), measured(100), measured(20)],
    }
    assert bars.ratio(rounds, "rps", "a/1", "b/1") == bars.Figure(2.0, 1.0, 3.0)


def test_a_round_in_which_one_side_failed_does_not_count() -> None:
    rounds: bars.Rounds = {
        "a/1": [None, measured(300), measured(100)],
        "b/1": [measured(100), measured(100)],
    }
    assert bars.ratio(rounds, "rps", "a/1", "b/1") == bars.Figure(3.0, 3.0, 3.0)
    assert bars.ratio(rounds, "rps", "a/1", "nothing") is None


def test_every_bar_has_a_value_when_all_was_measured(rounds: bars.Rounds) -> None:
    verdicts = {bar.name: bar.verdict(rounds) for bar in bars.BARS}
    assert "missing" not in verdicts.values(), verdicts
    assert len(verdicts) == len(bars.BARS)


def test_a_bar_says_ok_short_or_missing() -> None:
    bar = bars.Bar("speed", "", lambda r: bars.figure(r, "a/1", "rps"), bound=100.0)
    assert bar.line({"a/1": [measured(100)]}) == "BAR speed 100 100 ok"
    assert bar.line({"a/1": [measured(99)]}) == "BAR speed 99 100 short"
    assert bar.line({}) is None and bar.verdict({}) == "missing"
    at_most = bars.Bar(
        "wait", "", lambda r: bars.figure(r, "a/1", "p50_us"), bound=50.0, at_least=False
    )
    assert at_most.line({"a/1": [measured(1, 51)]}) == "BAR wait 51 50 short"
    printed = bars.Bar("seen", "", lambda r: bars.figure(r, "a/1", "rps"), bound=None)
    assert printed.line({"a/1": [measured(2)]}) == "BAR seen 2 - ok"


def test_a_peer_is_compared_in_its_better_way() -> None:
    rounds: bars.Rounds = {
        "samovar/1000": [measured(1000)],
        "redis_batch/1000": [measured(500)],
        "redis_plain/1000": [measured(5)],
        "nats/1000": [measured(250)],
    }
    ratios = bars.peer_ratios(rounds, "rps", 1000, largest=True)
    assert {peer: value.median for peer, value in ratios.items()} == {"NATS": 4.0, "Redis": 2.0}
    best = next(bar for bar in bars.BARS if bar.name == "vs_best_peer").value(rounds)
    assert best is not None and best.median == 2.0


def test_a_run_measures_what_it_was_asked_for() -> None:
    assert bench.Wanted(None, quick=False)("a/1", False)
    assert not bench.Wanted(None, quick=True)("a/1", False)
    assert bench.Wanted(None, quick=True)("a/1", True)
    some = bench.Wanted(["a/*", "core_*"], quick=True)
    assert some("a/1", False) and some("core_times", False) and not some("b/1", True)


def test_workers_are_one_figure_of_cpu_time() -> None:
    assert bars.cpu({"a/1": [measured(1)]}, "a/1") == {"client": 1.0, "broker": 2.0, "worker": 4.0}


def test_scenarios_have_names_of_their_own() -> None:
    names = [scenario.name for scenario in SCENARIOS]
    assert len(set(names)) == len(names)


def test_driver_processes_together_are_their_sum() -> None:
    other = {**measured(3000, 300), "cpu_us_per_call": {"client": 5.0}}
    total = driving.together([measured(1000, 100), other])
    assert total["calls"] == 4000
    assert total["rps"] == 4000
    assert total["p50_us"] == 200
    assert total["cpu_us_per_call"]["client"] == 4.0
    assert total["cpu_us_per_call"]["broker"] == 0.5  # 2 us for each of 1,000 calls


def test_the_page_has_every_table_and_no_gap(results: dict[str, Any]) -> None:
    text = page.render(results, page.TEMPLATE.read_text(), SECTION)
    assert "{{" not in text
    assert "A stdio pipe is faster for a lone caller" in text
    assert "(not measured)" not in text
    assert "nats-server is missing" in text
    for bar in bars.BARS:
        assert f"`{bar.name}`" in text
    for label in tables.PATHS.values():
        assert label in text


def test_what_is_short_is_explained_by_hand(rounds: bars.Rounds) -> None:
    text = page.shortfalls(rounds, page.notes(SECTION))
    assert "### python_1000_vs_limit\n\nPython is slow." in text
    assert "### memory_per_queued_request\n\nNot written up yet" in text
    assert "core_instructions_ratio" not in text


def test_the_notes_are_about_bars_that_exist() -> None:
    written = page.notes(page.NOTES.read_text())
    assert written and set(written) <= {bar.name for bar in bars.BARS}


def test_a_page_without_any_measurement_is_still_a_page(results: dict[str, Any]) -> None:
    text = page.render({**results, "rounds": {}}, page.TEMPLATE.read_text(), "")
    assert "(not measured)" in text and "missing" in text


def test_the_plots_are_well_formed(rounds: bars.Rounds) -> None:
    for svg in page.draw(rounds).values():
        ElementTree.fromstring(svg)
    empty = page.draw({})
    assert all(ElementTree.fromstring(svg) is not None for svg in empty.values())


def test_a_chart_keeps_its_bars_inside() -> None:
    rows = [plots.Row("a", 15.0, 10.0, 20.0, True), plots.Row("b", 5e5, 4e5, 6e5, False)]
    svg = ElementTree.fromstring(plots.chart([("t", rows)], "us"))
    widths = [float(each.get("width", "0")) for each in svg.iter() if each.tag.endswith("rect")]
    assert all(0 <= width <= plots.WIDTH for width in widths)


def test_results_are_json_with_a_line_for_each_scenario(results: dict[str, Any]) -> None:
    text = bench.as_text(results)
    assert json.loads(text) == results
    assert len(text.splitlines()) >= len(results["rounds"])


def test_writing_the_page_makes_the_plots(results: dict[str, Any], tmp_path: Path) -> None:
    page.write(results, tmp_path / "benchmarks.md")
    assert (tmp_path / "benchmarks" / "throughput.svg").exists()
    assert (tmp_path / "benchmarks.md").read_text().startswith("# Benchmarks")
