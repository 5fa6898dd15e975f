"""The workers of a pool and the generations that they are of: starts, ends and replaces them.

The supervisor's loop owns it and calls in; everything happens in its thread.
"""

import json
import logging
import math
import os
import random
import signal
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from samovar import host
from samovar.board import Board
from samovar.generations import Generation, Generations, Phase
from samovar.host import out_of_memory_kills
from samovar.obituary import Death, encode_obituary
from samovar.orders import GO, Brokers, say_brokers
from samovar.output import LineReader, Sink, Voices
from samovar.overdue import Overdue
from samovar.pool import Pool, describe_worker
from samovar.recycling import Recycling
from samovar.reaper import Reaper, kill_group
from samovar.reload import Answer, Command, Reloads
from samovar.sessions import Encode
from samovar.slot import Backoff, Slot, State
from samovar.staff_options import StaffOptions

log = logging.getLogger("samovar")

_RETRY_S = 0.05  # for starts that the system refused
MAX_WORKERS = 1024


class Staff:
    """`exit_code` is what the supervisor shall end with."""

    def __init__(
        self,
        options: StaffOptions,
        token: str,
        output: Sink,
        send_obituary: Callable[[int, Encode], None],
    ) -> None:
        """`send_obituary` takes the broker's number, and what encodes it for the supervisor's session there."""
        self.pool = Pool(options.service_name, options.workers, options.spares)
        self.exit_code = 0
        self._options = options
        self._voices = Voices(output)
        self._send_obituary = send_obituary
        self._board = Board()
        self._generations = Generations(
            options.worker_config(token, self._board.fd),
            options.preload,
            options.allow_native_threads,
        )
        self._overdue = Overdue(options.hard_timeout)
        self._recycling = Recycling(
            options.max_requests, options.max_memory_kb, options.report_memory
        )
        self._backoff = Backoff(random.Random())
        self.reloads = Reloads(self.pool, self._generations, self._name)
        self._brokers: Brokers = []
        self._announced = False
        self._oom_kills = out_of_memory_kills()
        self._reaper = Reaper()

    def begin(self, brokers: Brokers) -> None:
        self._brokers = brokers
        self._generations.begin()

    def serve(self, brokers: Brokers) -> None:
        """From now on all workers serve these."""
        self._brokers = brokers
        for slot in self._alive():
            slot.tell(say_brokers(brokers))

    def serves(self, broker: int) -> bool:
        """Whether some worker has a session with it."""
        return any(slot.board.serves(broker) for slot in self._alive())

    # --- the loop's steps ------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Does what is due: starts, kills, replacements."""
        for slot in self._overdue.step(self._alive(), now):
            assert slot.ending is not None
            log.warning("%s is killed: %s", self._tag(slot), slot.ending.because)
            self._kill(slot, slot.ending.because)
        self._recycling.step(self._alive(), now)
        for slot in self._alive():
            self._voices.show(self._tag(slot), slot.throttle.note(now))
            if slot.untold:
                slot.tell(b"")
        if self.pool.stopping:
            return
        steps = self.pool.next_steps()
        for slot in steps.activate:
            self._activate(slot)
        for slot in steps.drain:
            self._drain(slot)
        if now >= self._backoff.start_at:
            self._start(steps.start, False, now)
            self._start(steps.start_parked, True, now)
        self.reloads.finish(now)

    def seconds_to_wait(self, now: float) -> float | None:
        """How long the loop may sleep before the next tick()."""
        times = [self._overdue.seconds_to_wait(self._alive(), now)]
        times.append(self._recycling.seconds_to_wait(now))
        if not self.pool.stopping:
            times.append(self.reloads.seconds_to_wait(now))
            if self._backoff.start_at > now:
                times.append(self._backoff.start_at - now)
        times += [slot.throttle.seconds_to_wait(now) for slot in self._alive()]
        known = [each for each in times if each is not None]
        return min(known) if known else None

    def sources(self) -> dict[int, Callable[[], None]]:
        """Descriptors to be polled for reading, and what is to be called then."""
        found: dict[int, Callable[[], None]] = {}
        for slot in self._alive():
            for reader in (slot.stdout, slot.stderr):
                if reader.open:
                    found[reader.fd] = partial(self._read_output, slot, reader)
            if slot.status.open:
                found[slot.status.fd] = partial(self._read_status, slot)
        for generation, zygote in self._generations.zygotes():
            if zygote.socket.fileno() >= 0:
                found[zygote.socket.fileno()] = partial(self._read_zygote, generation)
            for reader in (zygote.stdout, zygote.stderr):
                if reader.open:
                    found[reader.fd] = partial(self._show_zygote, generation, reader)
        return found

    def _alive(self) -> list[Slot]:
        return list(self.pool.slots.values())

    # --- starts ----------------------------------------------------------------------------------------

    def _start(self, count: int, spare: bool, now: float) -> None:
        generation = self._generations.get(self.pool.generation)
        if generation is None or generation.launcher is None:
            return
        for _ in range(count):
            number = next(n for n in range(Board.SLOTS) if n not in self.pool.slots)
            board = self._board.slot(number)
            board.clear()
            try:
                handle = generation.launcher.start(number, spare)
            except OSError as error:
                log.error("cannot start a worker of %s: %s", self._name(), error)
                self._backoff.start_at = now + _RETRY_S
                return
            slot = Slot(number, board, handle, generation.number, now, spare)
            slot.tell(say_brokers(self._brokers))
            self.pool.slots[number] = slot

    def _activate(self, slot: Slot) -> None:
        slot.spare = False
        slot.tell(GO)
        if slot.state is State.PARKED:
            slot.state = State.CONNECTING

    def _drain(self, slot: Slot) -> None:
        if slot.state is State.DRAINING or not slot.pid:
            return
        slot.state = State.DRAINING
        os.kill(slot.pid, signal.SIGTERM)

    def scale(self, command: Command, args: list[Any]) -> Answer:
        """The COMMAND scale; returns its answer."""
        workers = args[0] if len(args) == 1 else None
        if type(workers) is not int or not 1 <= workers <= MAX_WORKERS:
            return Answer(command, False, f"scale takes a number from 1 to {MAX_WORKERS}")
        before, self.pool.wanted = self.pool.wanted, workers
        log.info("%s: %d workers are wanted now, %d before", self._name(), workers, before)
        return Answer(command, True, result={"workers": workers, "before": before})

    # --- generations -----------------------------------------------------------------------------------

    def _read_zygote(self, generation: Generation) -> None:
        said = self._generations.receive(generation)
        for number in self._generations.forked:
            self._forked(number)
        self._generations.forked.clear()
        if said is None or generation.phase is Phase.RETIRED:
            return
        if generation.phase is Phase.FAILED:
            return  # it ends now: what it has printed comes first
        if "loaded" in said:
            self.pool.loaded(said["loaded"])
        self.pool.generation = generation.number

    def _forked(self, number: int) -> None:
        slot = self.pool.slots.get(number)
        if slot is None:
            return
        if not slot.pid:
            log.error("the system refused to fork a worker of %s", self._name())
            del self.pool.slots[number]
            slot.handle.pipes.close()
            self._backoff.start_at = time.monotonic() + _RETRY_S

    def _load_failed(self, number: int, failure: dict[str, str]) -> None:
        """A generation cannot be loaded: by its zygote, or by the first worker of it."""
        if self.reloads.failed(number, failure):
            return
        why = failure["failed"]
        self.pool.service = self.pool.service or failure.get("service")
        self.pool.load_failure = f"{why}\n{failure.get('traceback', '')}".strip()
        if self.pool.ever_loaded:
            log.warning("%s could not load its app: %s", self._name(), why)
            return
        log.error("cannot serve %s: %s", self._options.target, why)
        self.exit_code = 1
        self.pool.stopping = True
        self.kill_all("the app could not be loaded")

    # --- output ----------------------------------------------------------------------------------------

    def _name(self) -> str:
        return self.pool.service or self._options.target

    def _tag(self, slot: Slot) -> str:
        return f"{self._name()}/worker-{slot.number + 1}"

    def _read_output(self, slot: Slot, reader: LineReader) -> None:
        running = slot.board.running()
        self._voices.show(self._tag(slot), reader.read(), slot.throttle, running)

    def _show_zygote(self, generation: Generation, reader: LineReader) -> None:
        self._voices.show(f"{self._name()}/zygote-{generation.number}", reader.read())

    def _read_status(self, slot: Slot) -> None:
        for line in slot.status.read():
            self._worker_says(slot, line.decode("utf-8", "replace"))

    def _worker_says(self, slot: Slot, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word == "loaded":
            if not slot.spare and slot.state is State.STARTING:
                slot.state = State.CONNECTING
            self.pool.loaded(rest)
        elif word == "limit":
            self._overdue.has_method_limit(float(rest))
        elif word == "parked":
            if slot.spare and slot.state is State.STARTING:
                slot.state = State.PARKED
        elif word == "ready":
            if slot.state is not State.DRAINING:
                slot.state = State.READY
            if slot.ready_at is None:
                slot.ready_at = time.monotonic()
            self._announce()
        elif word == "unhealthy":
            log.warning("%s is replaced: %s", self._tag(slot), rest)
            slot.replace_because = rest
        elif word == "failed":
            slot.failure = json.loads(rest)

    def _announce(self) -> None:
        """One line when the whole pool is ready for the first time."""
        wanted = self.pool.wanted
        if self._announced or self.pool.ready_workers() < wanted:
            return
        self._announced = True
        workers = "1 worker" if wanted == 1 else f"{wanted} workers"
        log.info("%s ready (%s, %s)", self.pool.service, workers, ",".join(self._options.brokers))

    def describe(self) -> dict[str, Any] | None:
        """The map of a POOL message; None while the service's name is unknown."""
        description = self.pool.describe()
        if description is None:
            return None
        workers = [
            describe_worker(slot, f"worker-{slot.number + 1}")
            for slot in sorted(self._alive(), key=lambda slot: slot.number)[:256]
        ]
        detail = {
            "generation": self.pool.generation,
            "spares": self.pool.spares,
            "workers": workers,
            "last_reload": self.reloads.last,
        }
        return {**description, "detail": detail}

    # --- ends ------------------------------------------------------------------------------------------

    def reap(self) -> None:
        """Buries every child that has ended."""
        for pid, status in self._reaper.reap(self._known(), self._is_forking()):
            slot = next((slot for slot in self._alive() if slot.pid == pid), None)
            if slot is not None:
                self._bury(slot, status)
                continue
            for generation, zygote in self._generations.zygotes():
                if zygote.pid == pid:
                    self._zygote_died(generation, Death.from_wait_status(pid, status))
        if self._reaper.sweep:
            self._end_strays()

    def _end_strays(self) -> None:
        children = host.children()  # before what zygotes have said of them is read
        zygotes = self._generations.zygotes()
        for generation, zygote in zygotes:
            if zygote.socket.fileno() >= 0:
                self._read_zygote(generation)
        # One that retires ends its heir by itself.
        if not self._is_forking() and not any(zygote.is_forking for _, zygote in zygotes):
            heirs = {zygote.heir for _, zygote in zygotes}
            self._reaper.end_strays(children, self._known() | heirs)

    def _known(self) -> set[int]:
        known = {slot.pid for slot in self._alive() if slot.pid}
        return known | {zygote.pid for _, zygote in self._generations.zygotes()}

    def _is_forking(self) -> bool:
        return any(not slot.pid for slot in self._alive())

    def _bury(self, slot: Slot, wait_status: int) -> None:
        """A worker is dead and reaped: tells the broker, then decides what follows."""
        now = time.monotonic()
        death = Death.from_wait_status(slot.pid, wait_status)
        for line in slot.status.finish():
            self._worker_says(slot, line.decode("utf-8", "replace"))
        stderr_lines = slot.stderr.finish()
        slot.stack.finish()
        oom_kills = out_of_memory_kills() if death.signal == signal.SIGKILL else self._oom_kills
        out_of_memory = oom_kills > self._oom_kills and slot.killed_because is None
        how = death.how(slot.killed_because, out_of_memory)
        sentence = death.sentence(f"worker {self._tag(slot)}", how)
        self._oom_kills = oom_kills
        stderr, stack = list(slot.stderr.last), list(slot.stack.last)
        for session in slot.board.read().sessions:
            self._send_obituary(
                session.broker,
                partial(
                    encode_obituary,
                    death=death,
                    session=session,
                    reason=how,
                    stderr=stderr,
                    stack=stack,
                    out_of_memory=out_of_memory,
                ),
            )
        self._voices.show(self._tag(slot), slot.stdout.finish() + stderr_lines, slot.throttle)
        self._voices.show(self._tag(slot), slot.throttle.note(math.inf))
        slot.handle.pipes.close()
        del self.pool.slots[slot.number]
        if self.pool.stopping:
            return
        if slot.ready_at is None and slot.state is not State.DRAINING and not slot.killed_because:
            self._backoff.died(now, None)
            first = not self.pool.ever_loaded or slot.generation == self.reloads.loading
            if slot.failure is not None or first:
                self._load_failed(slot.generation, slot.failure or {"failed": sentence})
                return
        asked = slot.state is State.DRAINING
        expected = asked and (death.exit_code == 0 or death.signal == signal.SIGTERM)
        if not expected:
            log.log(logging.INFO if death.exit_code == 0 else logging.WARNING, "%s", sentence)
            if slot.ready_at is not None and not slot.killed_because:
                self._backoff.died(now, slot.served_s(now))
            self.pool.restarts += 1

    def _zygote_died(self, generation: Generation, death: Death) -> None:
        zygote = generation.zygote
        assert zygote is not None
        tag = f"{self._name()}/zygote-{generation.number}"
        self._voices.show(tag, zygote.stdout.finish() + zygote.stderr.finish())
        retired = generation.phase is Phase.RETIRED
        self._read_zygote(generation)
        self._generations.zygote_died(generation, death)
        for slot in [slot for slot in self._alive() if not slot.pid]:
            if slot.generation == generation.number:
                slot.handle.pipes.close()
                del self.pool.slots[slot.number]
        if retired or self.pool.stopping or generation.launcher is not None:
            return
        if generation.phase is Phase.FAILED:
            assert generation.failure is not None
            self._load_failed(generation.number, generation.failure)
        else:
            self.reloads.zygote_died(generation, death.sentence(f"zygote of {self._name()}"))

    def stop(self) -> None:
        """Workers finish what they have; there are no new ones."""
        self.pool.stopping = True
        for slot in self._alive():
            if slot.pid:
                os.kill(slot.pid, signal.SIGTERM)
        for generation, _ in self._generations.zygotes():
            self._generations.retire(generation)

    def all_gone(self) -> bool:
        return not self.pool.slots and not self._generations.zygotes() and not self._reaper.sweep

    def kill_all(self, because: str) -> None:
        for slot in self._alive():
            self._kill(slot, because)
        for generation, zygote in self._generations.zygotes():
            self._generations.retire(generation)
            kill_group(zygote.pid)

    def _kill(self, slot: Slot, because: str) -> None:
        if slot.killed_because is None:
            slot.killed_because = because
        if slot.pid:  # unreaped, so the number is still its own
            kill_group(slot.pid)

    def close(self) -> None:
        self._board.close()
