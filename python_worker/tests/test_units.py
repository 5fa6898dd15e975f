"""The small parts of a supervisor: board, lines, back-off, pool state, exits, attachments."""

import io
import logging
import os
import random
import signal

import pytest

from samovar import WithAttachments, host
from samovar.board import (
    BROKER,
    CANCEL_ID,
    CHECKING_NS,
    DOOMED,
    DUE_ID,
    EPOCH,
    LAST_STARTED,
    SLOT_BYTES,
    STARTED_NS,
    Board,
    Session,
    Slot,
    begin_session,
)
from samovar.launcher import WORKER_PIPES, Pipes, WorkerHandle
from samovar.obituary import Death
from samovar.output import LineReader, Sink, Throttle
from samovar.overdue import Overdue
from samovar.pool import Pool
from samovar.printing import _Marking, split_mark
from samovar.slot import Backoff, State
from samovar.slot import Slot as PoolSlot


@pytest.fixture
def pipe():
    reader, writer = os.pipe2(os.O_NONBLOCK)
    yield reader, writer
    for fd in (reader, writer):
        try:
            os.close(fd)
        except OSError:
            pass


def test_what_a_worker_writes_on_its_slot_the_supervisor_reads():
    board = Board()
    worker = Slot(os.dup(board.fd), 1)
    worker.begin_worker(4711, "größe" * 50)
    first, last = worker.sessions[0], worker.sessions[15]
    first[BROKER], last[BROKER] = 1, 7
    begin_session(first, 2**53 - 1)
    begin_session(last, 4)
    first[LAST_STARTED] = last[LAST_STARTED] = 17
    last[STARTED_NS] = 5
    seen = board.slot(1).read()
    assert seen.pid == 4711 and seen.service.startswith("größegröße")
    assert seen.sessions == (Session(1, 2**53 - 1, 17, False), Session(7, 4, 17, True))
    assert board.slot(1).running() == 17
    assert board.slot(1).serves(7) and not board.slot(1).serves(2)
    assert board.slot(0).read().pid == board.slot(2).read().pid == 0
    begin_session(last, 5)
    assert board.slot(1).read().sessions[1] == Session(7, 5, 0, False)
    begin_session(last, 0)
    assert [each.broker for each in board.slot(1).read().sessions] == [1]
    assert board.slot(1).running() is None
    board.slot(1).clear()
    assert first[EPOCH] == 0
    board.close()


def test_a_released_slot_is_of_no_more_use():
    slot = Slot()
    session = slot.sessions[3]
    slot.release()
    for words in (slot.words, session):
        with pytest.raises(ValueError):
            words[0] = 1


def test_the_boards_layout_is_the_documented_one():
    board = Board()
    slot = board.slot(1)
    slot.begin_worker(9, "desk")
    slot.sessions[2][BROKER] = 6
    begin_session(slot.sessions[2], 7)
    slot.sessions[2][LAST_STARTED] = 8
    data = os.pread(board.fd, SLOT_BYTES, SLOT_BYTES)
    assert SLOT_BYTES == len(data) == 1280
    assert data[:8] == (9).to_bytes(8, "little")
    assert data[128:133] == b"desk\0"
    numbers = [int.from_bytes(data[n : n + 8], "little") for n in range(384, 416, 8)]
    assert numbers == [7, 8, 0, 6]
    board.close()


def test_lines_are_put_together_from_pieces(pipe):
    reader = LineReader(pipe[0], keep=2)
    for data, lines in ((b"a", []), (b"b\nc\r\n\nd", [b"ab", b"c", b""]), (b"e\n", [b"de"])):
        os.write(pipe[1], data)
        assert reader.read() == lines
    assert reader.read() == []
    os.write(pipe[1], b"unfinished")
    os.close(pipe[1])
    assert reader.finish() == [b"unfinished"]
    assert not reader.open
    assert list(reader.last) == [b"de", b"unfinished"]


def test_a_line_without_end_is_cut(pipe):
    reader = LineReader(pipe[0])
    os.write(pipe[1], b"x" * 9000)
    pieces = reader.finish()
    assert b"".join(pieces) == b"x" * 9000
    assert max(map(len, pieces)) < 4000


def test_lines_that_nobody_reads_are_dropped_and_counted(pipe):
    sink = Sink(pipe[1])
    for number in range(100_000):
        sink.write_line(b"%09d" % number)
    received = b""
    while len(data := os.read(pipe[0], 65536)) == 65536:
        received += data
    sink.write_line(b"after")
    tail = os.read(pipe[0], 65536)
    kept = (received + data).count(b"\n")
    assert tail == b"samovar-worker: %d lines were dropped: nobody read them\nafter\n" % (
        100_000 - kept
    )


def test_the_log_goes_through_the_same_sink_and_survives_its_reader(pipe):
    sink = Sink(pipe[1])
    sink.setFormatter(logging.Formatter("p: %(message)s"))
    sink.handle(logging.makeLogRecord({"msg": "one\ntwo"}))
    assert os.read(pipe[0], 100) == b"p: one\ntwo\n"
    os.close(pipe[0])
    sink.write_line(b"nobody there")


def _delays(backoff: Backoff, served: float | None, count: int, begin: int = 0) -> list[float]:
    """How long after each of so many deaths the next worker may start."""
    delays = []
    for now in range(begin, begin + 1000 * count, 1000):
        backoff.died(now, served)
        delays.append(max(0.0, backoff.start_at - now))
    return delays


def test_the_first_restart_of_a_ready_worker_is_immediate_and_later_ones_are_not():
    backoff = Backoff(random.Random(1))
    delays = _delays(backoff, 0.5, 12)
    assert delays[0] == 0
    assert 0.05 <= delays[1] <= 0.1
    assert all(0.5 <= later / earlier for earlier, later in zip(delays[1:], delays[2:]))
    assert 5 <= delays[-1] <= 10
    assert _delays(backoff, 10.0, 1, begin=50_000) == [0]


def test_a_worker_that_was_never_ready_is_restarted_with_a_delay():
    assert 0.025 <= _delays(Backoff(random.Random(1)), None, 1)[0] <= 0.05


class _Workers:
    """A pool whose workers have states, but no processes."""

    def __init__(self, workers: int, spares: int = 0) -> None:
        self.pool = Pool("desk", workers, spares)

    def add(self, state: State, *, spare: bool = False, generation: int = 1) -> PoolSlot:
        number = next(n for n in range(100) if n not in self.pool.slots)
        pipes = Pipes.open(*WORKER_PIPES)
        pipes.close_theirs()
        handle = WorkerHandle(1000 + number, pipes)
        slot = PoolSlot(number, Slot(), handle, generation, 0.0, spare, state)
        self.pool.slots[number] = slot
        return slot

    def close(self) -> None:
        for slot in self.pool.slots.values():
            slot.handle.pipes.close()


@pytest.fixture
def workers():
    made = []

    def make(count: int, spares: int = 0) -> _Workers:
        made.append(_Workers(count, spares))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_a_pool_without_a_name_says_nothing():
    assert Pool(None, 1, 0).describe() is None


def test_a_pools_state_follows_from_its_workers(workers):
    desk = workers(2)
    pool = desk.pool
    slot = desk.add(State.STARTING)
    assert pool.describe()["state"] == "loading"
    slot.state = State.READY
    pool.loaded("desk")
    pool.load_failure = "one of two"
    assert pool.describe()["state"] == "serving"
    slot.state = State.DRAINING
    assert pool.describe()["state"] == "failed"
    assert pool.describe()["reason"] == "one of two"
    pool.loaded("desk")
    assert pool.describe()["state"] == "loading"
    pool.stopping = True
    assert pool.describe()["state"] == "stopping"


def test_workers_start_first_and_then_the_spares(workers):
    desk = workers(2, spares=1)
    steps = desk.pool.next_steps()
    assert (steps.start, steps.start_parked) == (2, 0)
    for _ in range(2):
        desk.add(State.READY)
    steps = desk.pool.next_steps()
    assert (steps.start, steps.start_parked) == (0, 1)
    desk.add(State.PARKED, spare=True)
    steps = desk.pool.next_steps()
    assert (steps.start, steps.start_parked, steps.activate, steps.drain) == (0, 0, [], [])
    assert desk.pool.describe()["alive"] == 2, "spares are none of the workers that are wanted"


def test_a_spare_takes_the_place_of_a_worker_that_died(workers):
    desk = workers(2, spares=1)
    desk.add(State.READY)
    spare = desk.add(State.PARKED, spare=True)
    steps = desk.pool.next_steps()
    assert (steps.start, steps.activate) == (0, [spare])


def test_a_worker_is_replaced_only_when_the_next_one_is_ready(workers):
    desk = workers(2)
    old = [desk.add(State.READY) for _ in range(2)]
    desk.pool.generation = 2
    steps = desk.pool.next_steps()
    assert (steps.start, steps.drain) == (1, [])
    new = desk.add(State.STARTING, generation=2)
    steps = desk.pool.next_steps()
    assert (steps.start, steps.drain) == (0, [])
    new.state = State.READY
    steps = desk.pool.next_steps()
    assert (steps.start, steps.drain) == (0, [old[1]])
    old[1].state = State.DRAINING
    assert desk.pool.next_steps().start == 1, "one after the other"
    assert [slot.number for slot in desk.pool.of_old_generations()] == [0]


def test_spares_of_an_old_generation_are_sent_home(workers):
    desk = workers(1, spares=1)
    desk.add(State.READY, generation=2)
    old = desk.add(State.PARKED, spare=True)
    desk.pool.generation = 2
    steps = desk.pool.next_steps()
    assert steps.drain == [old]
    assert steps.start_parked == 1


def test_fewer_workers_are_wanted(workers):
    desk = workers(3)
    slots = [desk.add(State.READY) for _ in range(3)]
    desk.pool.wanted = 1
    assert desk.pool.next_steps().drain == slots[1:]


def test_lines_beyond_a_thousand_a_second_are_counted():
    throttle = Throttle()
    assert len(throttle.allow([b"x"] * 1500, 10.0)) == 1000
    assert throttle.allow([b"x"], 10.5) == []
    assert throttle.seconds_to_wait(10.5) == 0.5
    assert throttle.note(10.9) == []
    assert throttle.note(11.0) == [b"... 501 more lines: only 1000 a second are shown"]
    assert throttle.allow([b"y"], 11.0) == [b"y"]


def test_what_is_printed_is_marked_while_a_request_runs(pipe):
    board = Slot()
    stream = io.TextIOWrapper(_Marking(pipe[1], board), write_through=True, encoding="utf-8")
    print("idle", file=stream)
    board.sessions[1][LAST_STARTED] = 7
    board.sessions[1][STARTED_NS] = 1
    print("one", "two", file=stream)
    print("several\nlines", file=stream)
    lines = LineReader(pipe[0], keep=9)
    found = [split_mark(line) for line in lines.read()]
    assert found == [(None, b"idle"), (7, b"one two"), (7, b"several"), (7, b"lines")]
    assert list(lines.last) == [b"idle", b"one two", b"several", b"lines"]
    assert split_mark(b"\x1enot a mark") == (None, b"\x1enot a mark")


def test_of_two_brokers_equal_ids_only_the_one_that_overran_is_told(workers):
    slot = workers(1).add(State.READY)
    overdue = Overdue(1.0)
    here, there = slot.board.sessions[:2]
    here[LAST_STARTED] = there[LAST_STARTED] = 17
    there[STARTED_NS] = 10**9
    assert overdue.seconds_to_wait([slot], 1.5) == 0.5
    overdue.step([slot], 2.0)
    assert slot.ending.because == "request 17 ran longer than --hard-timeout 1 s"
    assert (here[CANCEL_ID], there[CANCEL_ID]) == (0, 17)
    there[STARTED_NS] = 0
    overdue.step([slot], 2.01)
    assert slot.ending is None and there[CANCEL_ID] == 0, "it has ended by itself"
    here[STARTED_NS], there[STARTED_NS], there[DUE_ID] = 5 * 10**9, 4 * 10**9, 16
    overdue.step([slot], 5.5)
    assert (here[CANCEL_ID], there[CANCEL_ID]) == (0, 16), "the one that is due first"


def test_a_health_check_has_the_pools_hard_limit(workers):
    slot = workers(1).add(State.READY)
    overdue = Overdue(1.0)
    slot.board.words[CHECKING_NS] = 10**9
    assert overdue.step([slot], 1.9) == [] and slot.ending is None
    overdue.step([slot], 2.0)
    assert slot.ending.because == "its health check ran longer than --hard-timeout 1 s"
    slot.board.words[CHECKING_NS] = 0
    overdue.step([slot], 2.1)
    assert slot.ending is None and not slot.board.words[DOOMED]


@pytest.mark.parametrize(
    "status, killed, oom, text",
    [
        (9, None, False, "w (pid 5) was ended by signal 9 (SIGKILL), possibly out of memory"),
        (9, None, True, "(SIGKILL), by the kernel: out of memory"),
        (11, None, True, "signal 11 (SIGSEGV)"),
        (7 << 8, None, False, "w (pid 5) exited with code 7"),
        (9, "too slow", True, "was killed by its supervisor: too slow"),
        (60, None, False, "signal 60 (a real-time signal)"),
    ],
)
def test_a_death_is_told_in_a_sentence(status, killed, oom, text):
    death = Death.from_wait_status(5, status)
    sentence = death.sentence("w", death.how(killed, oom))
    assert text in sentence
    assert ("memory" in sentence) == ("memory" in text)


def test_attachments_are_buffers():
    result = WithAttachments(None, [b"a", bytearray(b"bc"), memoryview(b"def"), b""])
    assert [bytes(buffer) for buffer in result.buffers] == [b"a", b"bc", b"def", b""]
    with pytest.raises(TypeError, match="attachment 1 is of type str"):
        WithAttachments(None, [b"", "text"])
    with pytest.raises(ValueError, match="not contiguous"):
        WithAttachments(None, [memoryview(b"abcd")[::2]])
    with pytest.raises(ValueError, match="65 attachments"):
        WithAttachments(None, [b""] * 65)


def test_the_host_names_its_clock_and_counts_its_out_of_memory_kills():
    assert len(host.clock_name()) == 36
    assert host.out_of_memory_kills() >= 0


def test_a_parent_that_is_not_ours_is_noticed():
    child = os.fork()
    if child == 0:
        wrong = host.die_with_parent(os.getpid(), signal.SIGTERM)
        right = host.die_with_parent(os.getppid(), signal.SIGTERM)
        os._exit(0 if right and not wrong else 1)
    assert os.waitpid(child, 0)[1] == 0
