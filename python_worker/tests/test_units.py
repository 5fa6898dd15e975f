"""The small parts of a supervisor: board, lines, back-off, pool state, exits, attachments."""

import logging
import os
import random
import signal

import pytest

from samovar import WithAttachments, host
from samovar.board import EPOCH, LAST_STARTED, SLOT_BYTES, STARTED_NS, Board, Slot
from samovar.obituary import Death
from samovar.output import LineReader, Sink
from samovar.pool import Pool
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
    board = Board(3)
    worker = Slot(os.dup(board.fd), 1)
    worker.begin_worker(4711, "größe" * 50)
    worker.begin_session(2**53 - 1)
    worker.words[LAST_STARTED] = 17
    worker.words[STARTED_NS] = 5
    seen = board.slots[1].read()
    assert (seen.epoch, seen.last_started, seen.running, seen.pid) == (2**53 - 1, 17, True, 4711)
    assert seen.service.startswith("größegröße")
    assert board.slots[0].read().pid == board.slots[2].read().pid == 0
    worker.begin_session(3)
    assert board.slots[1].read().last_started == 0
    assert not board.slots[1].read().running
    board.slots[1].clear()
    assert worker.words[EPOCH] == 0
    board.close()


def test_the_boards_layout_is_the_documented_one():
    board = Board(2)
    board.slots[1].begin_worker(9, "desk")
    board.slots[1].begin_session(7)
    board.slots[1].words[LAST_STARTED] = 8
    data = os.pread(board.fd, SLOT_BYTES, SLOT_BYTES)
    assert [int.from_bytes(data[n : n + 8], "little") for n in (0, 8, 16, 24)] == [7, 8, 0, 9]
    assert data[128:133] == b"desk\0"
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


def test_the_first_restart_of_a_ready_worker_is_immediate_and_later_ones_are_not():
    backoff = Backoff(random.Random(1))
    delays = [backoff.delay(served_s=0.5) for _ in range(12)]
    assert delays[0] == 0
    assert 0.05 <= delays[1] <= 0.1
    assert all(0.5 <= later / earlier for earlier, later in zip(delays[1:], delays[2:]))
    assert 5 <= delays[-1] <= 10
    assert backoff.delay(served_s=10.0) == 0


def test_a_worker_that_was_never_ready_is_restarted_with_a_delay():
    assert 0.025 <= Backoff(random.Random(1)).delay(None) <= 0.05


def _slots(*states: State) -> list[PoolSlot]:
    return [
        PoolSlot(number, Slot(), Backoff(random.Random(0)), state=state)
        for number, state in enumerate(states)
    ]


def test_a_pool_without_a_name_says_nothing():
    assert Pool(_slots(State.LOADING), None).describe() is None


def test_a_pools_state_follows_from_its_workers():
    slots = _slots(State.LOADING, State.WAITING)
    pool = Pool(slots, "desk")
    assert pool.describe()["state"] == "loading"
    slots[0].state = State.READY
    pool.loaded("desk")
    pool.load_failed("one of two")
    assert pool.describe()["state"] == "serving"
    slots[0].state = State.WAITING
    assert pool.describe()["state"] == "failed"
    assert pool.describe()["reason"] == "one of two"
    pool.loaded("desk")
    assert pool.describe()["state"] == "loading"
    pool.stopping = True
    assert pool.describe()["state"] == "stopping"


@pytest.mark.parametrize(
    "status, killed, oom, text",
    [
        (9, None, False, "worker w (pid 5) was ended by signal 9 (SIGKILL)"),
        (9, None, True, "ran out of memory"),
        (11, None, True, "signal 11 (SIGSEGV)"),
        (7 << 8, None, False, "worker w (pid 5) exited with code 7"),
        (9, "too slow", True, "was killed by its supervisor: too slow"),
        (60, None, False, "signal 60 (a real-time signal)"),
    ],
)
def test_a_death_is_told_in_a_sentence(status, killed, oom, text):
    sentence = Death.from_wait_status(5, status).sentence("w", killed, oom)
    assert text in sentence
    assert ("memory" in sentence) == (text == "ran out of memory")


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
