"""The comparison of the ledgers finds what it is there to find."""

from collections.abc import Callable
from pathlib import Path

import pytest

from chaos.ledger import IDS_OF_ONE, Verdict, compare

ONE = IDS_OF_ONE
CALLER = [
    f"{ONE + 1} once {ONE + 1} ok 1 {ONE + 1} 3",
    f"{ONE + 2} again {ONE + 2} worker_lost 3 - 40",
    f"{ONE + 3} once {ONE + 3} broker_lost 1 - 7",
    f"{ONE + 4} once {ONE + 4} unavailable 0 - 7",
    f"{ONE + 5} again {ONE + 2} ok 2 {ONE + 5} 12",
    f"{ONE + 6} once {ONE + 6} ok 1 {ONE + 6} 3",
    "end 6",
]
WORKER = [
    f"once {ONE + 1}",
    *[f"again {ONE + 2}"] * 3,
    *[f"again {ONE + 5}"] * 2,
    f"once {ONE + 6}",
]
FIGURES = [name for name, value in vars(Verdict()).items() if value == 0][2:]


def verdict_on(directory: Path, caller: list[str], worker: list[str], **options: object) -> Verdict:
    files = {directory / "caller": caller, directory / "worker": worker}
    for file, lines in files.items():
        file.write_text("".join(f"{line}\n" for line in lines))
    return compare({1: directory / "caller"}, [directory / "worker"], **options)  # type: ignore[arg-type]


def found(verdict: Verdict) -> dict[str, int]:
    return {name: count for name in FIGURES if (count := getattr(verdict, name))}


def test_ledgers_that_agree_are_fine(tmp_path: Path) -> None:
    verdict = verdict_on(tmp_path, CALLER, WORKER)
    assert found(verdict) == {}
    assert (verdict.calls, verdict.runs, verdict.outcomes["ok"]) == (6, 7, 3)
    assert not verdict.examples


def replaced(text: str, other: str) -> Callable[[list[str]], list[str]]:
    return lambda lines: [line.replace(text, other) for line in lines]


@pytest.mark.parametrize(
    ("what", "doctor_caller", "doctor_worker"),
    [
        ("not_one_outcome", lambda lines: [lines[0], *lines], None),
        ("not_one_outcome", lambda lines: [*lines[:2], *lines[3:]], None),
        ("not_one_outcome", lambda lines: lines[:-1], None),
        ("run_twice", None, lambda lines: [*lines, lines[0]]),
        ("wrong_replies", replaced(f"ok 1 {ONE + 1} ", f"ok 1 {ONE + 6} "), None),
        ("idempotent_failed", replaced(f"ok 2 {ONE + 5}", "worker_lost 2 -"), None),
        ("ok_without_a_run", None, lambda lines: lines[1:]),
        ("run_for_nothing", None, lambda lines: [*lines, f"once {ONE + 4}"]),
        ("unexpected_outcomes", replaced("broker_lost", "internal"), None),
        ("late_outcomes", replaced("- 40", "- 36000"), None),
        ("unknown_calls", None, lambda lines: [*lines, f"once {ONE + 7}"]),
        ("unknown_calls", None, lambda lines: [*lines, f"once {2 * ONE + 1}"]),
    ],
)
def test_a_doctored_ledger_is_found_out(
    tmp_path: Path,
    what: str,
    doctor_caller: Callable[[list[str]], list[str]] | None,
    doctor_worker: Callable[[list[str]], list[str]] | None,
) -> None:
    caller = doctor_caller(CALLER) if doctor_caller else CALLER
    worker = doctor_worker(WORKER) if doctor_worker else WORKER
    verdict = verdict_on(tmp_path, caller, worker)
    assert found(verdict) == {what: 1}
    assert verdict.examples[0].startswith(what)


def test_two_replies_that_were_swapped_are_two_wrong_ones(tmp_path: Path) -> None:
    swapped = [
        line.replace(f"ok 1 {ONE + a} ", f"ok 1 {ONE + b} ")
        for line, a, b in zip(CALLER, (1, 0, 0, 0, 0, 6, 0), (6, 0, 0, 0, 0, 1, 0))
    ]
    assert found(verdict_on(tmp_path, swapped, WORKER)) == {"wrong_replies": 2}


def test_a_caller_that_was_killed_may_lack_outcomes_and_nothing_else(tmp_path: Path) -> None:
    caller = [CALLER[0], CALLER[3]]
    assert found(verdict_on(tmp_path, caller, WORKER, killed=[1])) == {}
    twice = verdict_on(
        tmp_path, caller, [*WORKER, f"once {ONE + 9}", f"once {ONE + 9}"], killed=[1]
    )
    assert found(twice) == {"run_twice": 1}
