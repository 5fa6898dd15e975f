"""Measures Samovar, its limits and its peers in one run, interleaved, and prints a line for each bar.

Usage: script/bench [overload|brokers|scale] [--quick] [--only PATTERN] [--rounds N]. Exit code 0: it ran, whatever the bars say.
"""

import argparse
import fnmatch
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from bench import (
    bars,
    brokers,
    core,
    driving,
    flush,
    instructions,
    machine,
    overload,
    page,
    pool,
    scale,
    startup,
    ways,
)
from bench.scenarios import SCENARIOS, Scenario, Setup
from bench.setups import Target
from bench.stage import ROOT, Failed, Stage

RESULTS = ROOT / "docs" / "benchmarks" / "results.json"
QUICK_RESULTS = ROOT / "build" / "bench" / "results.json"
PAGE = ROOT / "docs" / "benchmarks.md"


Measure = Callable[[], dict[str, Any]]


class Run:
    """All rounds of one run. What fails is named and left out; the rest goes on."""

    def __init__(self, directory: Path, warm_up: float, seconds: float) -> None:
        self.rounds: bars.Rounds = {}
        self.failures: dict[str, str] = {}
        self._directory = directory
        self._warm_up = warm_up
        self._seconds = seconds

    def round(self, number: int, scenarios: list[Scenario]) -> None:
        """Starts every setup, then loads them in turn: what is compared is measured within seconds."""
        stages: list[Stage] = []
        try:
            targets = self._start(number, scenarios, stages)
            order = list(scenarios)
            random.Random(number).shuffle(order)
            order.sort(key=lambda each: (each.outstanding, each.suffix))
            for scenario in order:
                target = targets.get(scenario.setup)
                self.note(scenario.name, number, self._measure(scenario, target))
        finally:
            for stage in reversed(stages):
                stage.stop()

    def note(self, name: str, number: int, measured: dict[str, Any] | None) -> None:
        found = self.rounds.setdefault(name, [])
        found += [None] * (number + 1 - len(found))
        found[number] = measured

    def attempt(self, name: str, number: int, measure: Measure) -> None:
        try:
            self.note(name, number, measure())
        except (Failed, OSError) as error:
            self._failed(name, str(error))

    def _start(
        self, number: int, scenarios: Iterable[Scenario], stages: list[Stage]
    ) -> dict[Setup, Target]:
        targets = {}
        for setup in dict.fromkeys(each.setup for each in scenarios):
            transport = next(each.transport for each in scenarios if each.setup == setup)
            if transport not in driving.transports():
                self._failed(setup.name, f"the driver was built without {transport}")
                continue
            pin = driving.PIN if setup.pinned else None
            stage = Stage(self._directory / f"{number}-{len(stages)}", pin)
            stages.append(stage)
            try:
                targets[setup] = setup.start(stage)
            except (Failed, OSError) as error:
                self._failed(setup.name, str(error))
        return targets

    def _measure(self, scenario: Scenario, target: Target | None) -> dict[str, Any] | None:
        if target is None:
            return None
        try:
            measured = driving.drive(scenario, target, self._warm_up, self._seconds)
        except (Failed, OSError) as error:
            self._failed(scenario.name, str(error))
            return None
        cpu = " ".join(f"{k} {v:.2f}" for k, v in measured["cpu_us_per_call"].items())
        print(
            f"  {scenario.name:<38} {measured['rps']:>11,.0f}/s  p50 {measured['p50_us']:>9,.0f} us"
            f"  p99 {measured['p99_us']:>9,.0f} us  CPU us/call: {cpu}",
            flush=True,
        )
        return measured

    def _failed(self, name: str, why: str) -> None:
        if name not in self.failures:
            print(f"  {name}: not measured: {why}", flush=True)
        self.failures[name] = why


class Wanted:
    """Which scenarios this run is to measure."""

    def __init__(self, patterns: list[str] | None, quick: bool) -> None:
        self._patterns = patterns
        self._quick = quick

    def __call__(self, name: str, is_quick: bool) -> bool:
        if self._patterns is not None:
            return any(fnmatch.fnmatch(name, pattern) for pattern in self._patterns)
        return is_quick or not self._quick


def measure_rounds(run: Run, wanted: Wanted, args: argparse.Namespace, directory: Path) -> int:
    """As many rounds as were asked for, or as there is time for; returns how many."""
    scenarios = [each for each in SCENARIOS if wanted(each.name, each.quick)]
    rounds: int = args.rounds or (3 if args.quick else 5)
    budget_s = float("inf") if args.rounds else 130 if args.quick else 690
    began = time.monotonic()
    longest = 0.0
    for number in range(rounds):
        started = time.monotonic()
        if number > 0 and started - began + longest > budget_s:
            print(f"no time for more than {number} rounds: this machine is slow or busy")
            return number
        print(f"round {number + 1} of {rounds}, load {os.getloadavg()[0]:.1f}", flush=True)
        run.round(number, [each for each in scenarios if number < each.most_rounds])
        where = directory / f"startup-{number}"
        once: dict[str, tuple[bool, Measure]] = {
            "samovard_start": (True, lambda: startup.samovard_start(where)),
            "samovar_call": (True, lambda: startup.samovar_call(where)),
            "slow_item": (True, lambda: flush.slow_item(directory / f"flush-{number}")),
            "way_per_call/1": (False, ways.per_call),
            "way_nudge/1": (False, ways.nudge),
        }
        for name, (quick, each) in once.items():
            if wanted(name, quick):
                run.attempt(name, number, each)
        longest = max(longest, time.monotonic() - started)
    return rounds


def measure(args: argparse.Namespace) -> dict[str, Any]:
    described = machine.describe()
    wanted = Wanted(args.only.split(",") if args.only else None, args.quick)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sb-", dir="/tmp") as directory:
        seconds = args.seconds or (0.4 if args.quick else 0.6)
        run = Run(Path(directory), warm_up=0.15 if args.quick else 0.25, seconds=seconds)
        rounds = measure_rounds(run, wanted, args, Path(directory))
        for name, (quick, each) in (
            pool.CASES
            | overload.CASES
            | brokers.CASES
            | core.CASES
            | instructions.CASES
            | (scale.CASES if args.part == "scale" else {})
        ).items():
            if wanted(name, quick):
                print(f"  {name}", flush=True)
                run.attempt(name, 0, each)
    described["load_average_after"] = [round(each, 2) for each in os.getloadavg()]
    described["seconds"] = round(time.monotonic() - began)
    described["rounds"] = rounds
    described["quick"] = args.quick
    return {"machine": described, "rounds": run.rounds, "failures": run.failures}


def as_text(results: dict[str, Any]) -> str:
    """JSON with a line for each scenario."""
    lines = [f" {json.dumps(k)}: {json.dumps(v)}" for k, v in results["rounds"].items()]
    rounds = "{\n" + ",\n".join(lines) + "\n}"
    rest = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in results.items() if k != "rounds"]
    return "{\n" + ",\n".join([*rest, f'"rounds": {rounds}']) + "\n}\n"


def summary(rounds: bars.Rounds, whole: bool) -> None:
    print("\nmedians (lowest - highest of the rounds)")
    for name in rounds:
        rps = bars.figure(rounds, name, "rps")
        p50 = bars.figure(rounds, name, "p50_us")
        p99 = bars.figure(rounds, name, "p99_us")
        if rps and p50 and p99:
            cpu = " ".join(f"{k} {v:.2f}" for k, v in bars.cpu(rounds, name).items())
            print(
                f"  {name:<34} {rps.median:>9,.0f}/s ({rps.low:,.0f} - {rps.high:,.0f})"
                f"  p50 {p50.median:,.0f} us  p99 {p99.median:,.0f} us  CPU us/call: {cpu}"
            )
    print()
    lines = {bar.name: bar.line(rounds) for bar in bars.BARS}
    print("\n".join(line for line in lines.values() if line))
    left = [name for name, line in lines.items() if line is None]
    if whole and left:
        print("not measured: " + ", ".join(left))


def main() -> int:
    parser = argparse.ArgumentParser(prog="script/bench", description=__doc__)
    parser.add_argument(
        "part",
        nargs="?",
        choices=["overload", "brokers", "scale"],
        help="only this; plots go to build/bench",
    )
    parser.add_argument("--quick", action="store_true", help="the bars that matter most, < 3 min")
    parser.add_argument("--only", metavar="PATTERN,...", help="scenarios whose name matches one")
    parser.add_argument("--rounds", type=int, help="how often everything is measured")
    parser.add_argument("--seconds", type=float, help="how long each measurement takes")
    parser.add_argument("--page", action="store_true", help="only write docs/benchmarks.md anew")
    args = parser.parse_args()
    if args.page:
        page.write(json.loads(RESULTS.read_text()), PAGE)
        return 0
    if args.part:
        args.only, args.rounds = args.part, 1
    results = measure(args)
    whole = not args.quick and not args.only
    path = RESULTS if whole else QUICK_RESULTS
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(as_text(results))
    if whole:
        page.write(results, PAGE)
    elif args.part == "overload":
        plot = path.parent / "overload.svg"
        plot.write_text(page.draw(results["rounds"])["overload.svg"])
        print(f"plot: {plot.relative_to(ROOT)}")
    summary(results["rounds"], not args.only)
    print(f"\n{results['machine']['seconds']} s; results: {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
