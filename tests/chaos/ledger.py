"""The two sides of the chaos test compared: what callers heard, and what workers ran.

A caller's file has a line for each outcome, "ID KIND GOAL STATUS ATTEMPT REPLY MS", and "end COUNT" where it ended by itself.
KIND is once, or again (idempotent); GOAL the id of the call that this one tries again, or its own; the right REPLY is the id. Ids of
caller K are K * IDS_OF_ONE + 1, 2, ... COUNT. A worker's file has a line for each execution, "KIND ID".
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

IDS_OF_ONE = 1_000_000_000
EXAMPLES = 100

# What may become of a call when processes die and connections break.
EXPECTED = {"ok", "worker_lost", "broker_lost", "unavailable", "overloaded", "deadline_exceeded"}
NOTHING_RAN = {"unavailable", "overloaded"}


@dataclass
class Verdict:
    """What was counted; the second half has to be 0."""

    calls: int = 0
    runs: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)

    not_one_outcome: int = 0
    run_twice: int = 0  # though it may run once only
    wrong_replies: int = 0
    idempotent_failed: int = 0  # no try succeeded within the deadline
    ok_without_a_run: int = 0
    run_for_nothing: int = 0  # its outcome said that nothing had run
    unexpected_outcomes: int = 0
    late_outcomes: int = 0
    unknown_calls: int = 0  # run or answered, and never made
    examples: list[str] = field(default_factory=list)

    def count(self, what: str, example: str) -> None:
        setattr(self, what, getattr(self, what) + 1)
        if len(self.examples) < EXAMPLES:
            self.examples.append(f"{what}: {example}")


class Caller:
    """One process and its calls. A killed one has noted no end, and some of its calls have no outcome."""

    def __init__(self, number: int, path: Path) -> None:
        self.lines = path.read_text(encoding="ascii").splitlines()
        self.killed = not (self.lines and self.lines[-1].startswith("end "))
        self._base = number * IDS_OF_ONE + 1
        count = 0 if self.killed else int(self.lines.pop().split()[1])
        self.heard = bytearray(count)
        self.runs = bytearray(count)

    def index(self, id_: int) -> int:
        """Of this call in `heard` and `runs`; -1 if it was never made."""
        index = id_ - self._base
        if self.killed and index >= len(self.runs):
            more = bytes(index + 1 - len(self.runs))
            self.heard += more
            self.runs += more
        return index if 0 <= index < len(self.runs) else -1


def compare(
    callers: Mapping[int, Path],
    workers: Iterable[Path],
    *,
    killed: Iterable[int] = (),
    latest_s: float = 35.0,
) -> Verdict:
    """`callers` by their numbers; those in `killed` were. Calls end within `latest_s`."""
    verdict = Verdict()
    known = {number: Caller(number, path) for number, path in callers.items()}
    for number in {number for number, caller in known.items() if caller.killed} - set(killed):
        verdict.count("not_one_outcome", f"caller {number} ended before its calls")
    for path in workers:
        for line in path.read_text(encoding="ascii").splitlines():
            _count_run(line, known, verdict)
    for caller in known.values():
        _compare(caller, verdict, latest_s * 1000)
    return verdict


def _count_run(line: str, callers: Mapping[int, Caller], verdict: Verdict) -> None:
    kind, id_ = line.split()
    verdict.runs += 1
    caller = callers.get(int(id_) // IDS_OF_ONE)
    index = caller.index(int(id_)) if caller else -1
    if caller is None or index < 0:
        verdict.count("unknown_calls", line)
        return
    if caller.runs[index] and kind == "once":
        verdict.count("run_twice", line)
    caller.runs[index] = min(255, caller.runs[index] + 1)


def _compare(caller: Caller, verdict: Verdict, latest_ms: float) -> None:
    goals: dict[str, bool] = {}  # met or not, of those that took more than one try
    for line in caller.lines:
        id_, kind, goal, status, _, reply, ms = line.split()
        index = caller.index(int(id_))
        if index < 0:
            verdict.count("unknown_calls", line)
            continue
        if caller.heard[index]:
            verdict.count("not_one_outcome", line)
        caller.heard[index] = 1
        verdict.outcomes[status] += 1
        if status == "ok" and reply != id_:
            verdict.count("wrong_replies", line)
        if status == "ok" and not caller.runs[index]:
            verdict.count("ok_without_a_run", line)
        if status in NOTHING_RAN and kind == "once" and caller.runs[index]:
            verdict.count("run_for_nothing", line)
        if status not in EXPECTED:
            verdict.count("unexpected_outcomes", line)
        if int(ms) > latest_ms:
            verdict.count("late_outcomes", line)
        if kind == "again" and (status != "ok" or goal != id_):
            goals[goal] = goals.get(goal, False) or status == "ok"
    verdict.calls += len(caller.heard)
    if caller.killed:
        return
    for goal, met in goals.items():
        if not met:
            verdict.count("idempotent_failed", goal)
    for index, heard in enumerate(caller.heard):
        if not heard:
            verdict.count("not_one_outcome", f"number {index + 1} of {len(caller.heard)} has none")
