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
from dataclasses import dataclass
from functools import partial
from typing import Any

from samovar import host
from samovar.board import Board
from samovar.generations import Generation, Generations, Phase
from samovar.host import out_of_memory_kills
from samovar.obituary import Death, encode_obituary
from samovar.output import LineReader, Sink, Throttle
from samovar.overdue import Overdue
from samovar.pool import Pool, describe_worker
from samovar.recycling import Recycling
from samovar.reload import Reload
from samovar.slot import Backoff, Slot, State
from samovar.worker_main import WorkerConfig

log = logging.getLogger("samovar")

_RETRY_S = 0.05  # for starts that the system refused
MAX_WORKERS = 1024

# Makes the frame of a message for the epoch of a session.
Encode = Callable[[int], bytes]


@dataclass(frozen=True)
class StaffOptions:
    """What concerns the workers. Times in seconds, sizes in kB."""

    target: str
    endpoint: str
    workers: int
    service_name: str | None
    credit: int
    hide_tracebacks: bool
    hard_timeout: float | None = None
    spares: int = 0
    preload: bool = True
    allow_native_threads: bool = False
    max_requests: int | None = None
    max_memory_kb: int | None = None
    report_memory: bool = False
    health_interval: float = 10.0


class Staff:
    """`answers` collects COMMAND_DONEs for the supervisor to send; `exit_code` is what it shall end with."""

    def __init__(
        self,
        options: StaffOptions,
        token: str,
        output: Sink,
        send_obituary: Callable[[Encode], None],
    ) -> None:
        self.pool = Pool(options.service_name, options.workers, options.spares)
        self.answers: list[dict[str, Any]] = []
        self.exit_code = 0
        self._options = options
        self._output = output
        self._send_obituary = send_obituary
        self._board = Board()
        self._generations = Generations(
            self._worker_config(token), options.preload, options.allow_native_threads
        )
        self._overdue = Overdue(options.hard_timeout)
        self._recycling = Recycling(
            options.max_requests, options.max_memory_kb, options.report_memory
        )
        self._backoff = Backoff(random.Random())
        self._load_backoff = Backoff(random.Random())
        self._reload: Reload | None = None
        self._last_reload: dict[str, Any] | None = None
        self._announced = False
        self._oom_kills = out_of_memory_kills()
        # Reaped before the zygote had said which slot they were: wait statuses by pid.
        self._early_deaths: dict[int, int] = {}
        self._sweep = False  # somebody has died who may have left processes behind

    def _worker_config(self, token: str) -> WorkerConfig:
        options = self._options
        return WorkerConfig(
            target=options.target,
            endpoint=options.endpoint,
            service_name=options.service_name,
            worker_name="",
            credit=options.credit,
            token=token,
            hide_tracebacks=options.hide_tracebacks,
            supervisor_pid=os.getpid(),
            generation=0,
            health_interval=options.health_interval,
            board_fd=self._board.fd,
            slot=0,
            parked=False,
        )

    def begin(self) -> None:
        self._generations.begin()

    # --- the loop's steps ------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Does what is due: starts, kills, replacements."""
        for slot in self._overdue.step(self._alive(), now):
            assert slot.ending is not None
            log.warning("%s is killed: %s", self._tag(slot), slot.ending.because)
            self._kill(slot, slot.ending.because)
        self._recycling.step(self._alive(), now)
        for slot in self._alive():
            self._show(self._tag(slot), slot.throttle.note(now), None)
        if self.pool.stopping:
            return
        steps = self.pool.next_steps()
        for slot in steps.activate:
            self._activate(slot)
        for slot in steps.drain:
            self._drain(slot)
        if now >= self._backoff.start_at and now >= self._load_backoff.start_at:
            self._start(steps.start, False, now)
            self._start(steps.start_parked, True, now)
        self._finish_reload()

    def seconds_to_wait(self, now: float) -> float | None:
        """How long the loop may sleep before the next tick()."""
        times = [self._overdue.seconds_to_wait(self._alive(), now)]
        times.append(self._recycling.seconds_to_wait(now))
        for backoff in (self._backoff, self._load_backoff):
            if backoff.start_at > now and not self.pool.stopping:
                times.append(backoff.start_at - now)
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
            self.pool.slots[number] = slot

    def _activate(self, slot: Slot) -> None:
        slot.spare = False
        try:
            os.write(slot.handle.pipes.ours["command"], b"go")
        except OSError:
            pass  # it is dead, and will be reaped
        if slot.state is State.PARKED:
            slot.state = State.CONNECTING

    def _drain(self, slot: Slot) -> None:
        if slot.state is State.DRAINING or not slot.pid:
            return
        slot.state = State.DRAINING
        os.kill(slot.pid, signal.SIGTERM)

    def scale(self, id_: int, args: list[Any]) -> dict[str, Any]:
        """The COMMAND scale; returns its answer."""
        workers = args[0] if len(args) == 1 else None
        if type(workers) is not int or not 1 <= workers <= MAX_WORKERS:
            return {
                "id": id_,
                "ok": False,
                "message": f"scale takes a number from 1 to {MAX_WORKERS}",
            }
        before, self.pool.wanted = self.pool.wanted, workers
        log.info("%s: %d workers are wanted now, %d before", self._name(), workers, before)
        return {"id": id_, "ok": True, "result": {"workers": workers, "before": before}}

    # --- generations -----------------------------------------------------------------------------------

    def reload(self, because: str, command: int | None) -> None:
        """Loads code and data anew; the COMMAND is answered when that has replaced the workers, or failed."""
        if self.pool.stopping:
            if command is not None:
                self.answers.append({"id": command, "ok": False, "message": "the pool is stopping"})
            return
        if self._reload is not None:
            # What is being loaded may have been read before the last change: that one is given up.
            overtaken = self._reload
            self._abandon(overtaken)
            self._reload = None
        else:
            overtaken = None
        try:
            generation = self._generations.begin()
        except OSError as error:
            log.error("cannot load %s again: %s", self._name(), error)
            if command is not None:
                self.answers.append(
                    {"id": command, "ok": False, "message": f"cannot load: {error}"}
                )
            return
        log.info("%s: loading generation %d (%s)", self._name(), generation.number, because)
        before = overtaken.before if overtaken else self.pool.generation
        self._reload = Reload(generation.number, because, before)
        self._reload.commands += overtaken.commands if overtaken else []
        if command is not None:
            self._reload.commands.append(command)
        if generation.launcher is not None:
            self.pool.generation = generation.number

    def _abandon(self, reload: Reload) -> None:
        generation = self._generations.get(reload.generation)
        self.pool.generation = reload.before
        if generation is not None:
            self._generations.retire(generation)

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
        self._load_backoff = Backoff(random.Random())
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
        elif slot.pid in self._early_deaths:
            self._bury(slot, self._early_deaths.pop(slot.pid))

    def _finish_reload(self) -> None:
        reload = self._reload
        if reload is None or self.pool.generation != reload.generation:
            return
        ready = self.pool.ready_workers()
        if ready < self.pool.wanted or self.pool.of_old_generations():
            return
        result = reload.done(ready)
        log.info("%s: generation %d serves", self._name(), reload.generation)
        self._end_reload(reload, result)
        self._generations.retire_before(reload.generation)

    def _end_reload(self, reload: Reload, result: dict[str, Any]) -> None:
        self._reload = None
        self._last_reload = result
        for id_ in reload.commands:
            answer = {"id": id_, "ok": result["ok"], "result": result}
            self.answers.append({**answer, "message": result.get("message")})

    def _load_failed(self, number: int, failure: dict[str, str]) -> None:
        """A generation cannot be loaded: by its zygote, or by the first worker of it."""
        why = failure["failed"]
        reload = self._reload
        if reload is not None and reload.generation == number:
            log.error("%s: generation %d is given up: %s", self._name(), number, why)
            self._abandon(reload)
            self._end_reload(reload, reload.failed(failure))
            if reload.because == _ZYGOTE_DIED:
                self._load_backoff.died(time.monotonic(), None)
            return
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
        self._show(self._tag(slot), reader.read(), slot.throttle)

    def _show_zygote(self, generation: Generation, reader: LineReader) -> None:
        self._show(f"{self._name()}/zygote-{generation.number}", reader.read(), None)

    def _show(self, tag: str, lines: list[bytes], throttle: Throttle | None) -> None:
        prefix = f"[{tag}] ".encode()
        if throttle is not None:
            lines = throttle.allow(lines, time.monotonic())
        for line in lines:
            self._output.write_line(prefix + line)

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
        log.info("%s ready (%s, %s)", self.pool.service, workers, self._options.endpoint)

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
            "last_reload": self._last_reload,
        }
        return {**description, "detail": detail}

    # --- ends ------------------------------------------------------------------------------------------

    def reap(self) -> None:
        """Buries every child that has ended: workers, zygotes, and strangers whom their parents left behind."""
        by_pid = {slot.pid: slot for slot in self._alive() if slot.pid}
        zygotes = {zygote.pid: generation for generation, zygote in self._generations.zygotes()}
        while True:
            try:
                # Not reaped yet: while it is a zombie nobody else gets its number, so its group is its own.
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                break
            if ended is None:
                break
            pid = ended.si_pid
            if pid in by_pid:
                _kill_group(pid)
            _, status = os.waitpid(pid, 0)
            if pid in by_pid:
                self._bury(by_pid.pop(pid), status)
            elif pid in zygotes:
                self._zygote_died(zygotes.pop(pid), Death.from_wait_status(pid, status))
            elif any(not slot.pid for slot in self._alive()):
                self._early_deaths[pid] = status
            else:
                self._early_deaths.clear()
            self._sweep = True
        self._kill_strays()

    def _kill_strays(self) -> None:
        """Ends what dead workers have left behind outside their process groups: it is ours now."""
        if not self._sweep or any(not slot.pid for slot in self._alive()):
            return  # a child that nobody knows may be a worker that has just been forked
        known = {slot.pid for slot in self._alive()}
        known |= {zygote.pid for _, zygote in self._generations.zygotes()}
        strays = host.children() - known
        for pid in strays:
            os.kill(pid, signal.SIGKILL)
        self._sweep = bool(strays)  # as these die, more may become ours

    def _bury(self, slot: Slot, wait_status: int) -> None:
        """A worker is dead and reaped: tells the broker, then decides what follows."""
        now = time.monotonic()
        death = Death.from_wait_status(slot.pid, wait_status)
        for line in slot.status.finish():
            self._worker_says(slot, line.decode("utf-8", "replace"))
        stderr_lines = slot.stderr.finish()
        oom_kills = out_of_memory_kills() if death.signal == signal.SIGKILL else self._oom_kills
        out_of_memory = oom_kills > self._oom_kills and slot.killed_because is None
        reason = death.sentence(f"worker {self._tag(slot)}", slot.killed_because, out_of_memory)
        self._oom_kills = oom_kills
        board = slot.board.read()
        stderr, stack = list(slot.stderr.last), list(slot.stack.last)
        if board.epoch:
            self._send_obituary(
                lambda epoch: encode_obituary(
                    epoch, death, board, reason, stderr, stack, out_of_memory
                )
            )
        self._show(self._tag(slot), slot.stdout.finish() + stderr_lines, slot.throttle)
        self._show(self._tag(slot), slot.throttle.note(math.inf), None)
        slot.handle.pipes.close()
        del self.pool.slots[slot.number]
        if self.pool.stopping:
            return
        if slot.ready_at is None and slot.state is not State.DRAINING and not slot.killed_because:
            self._backoff.died(now, None)
            first = not self.pool.ever_loaded or slot.generation == self._loading_generation()
            if slot.failure is not None or first:
                self._load_failed(slot.generation, slot.failure or {"failed": reason})
                return
        asked = slot.state is State.DRAINING
        expected = asked and (death.exit_code == 0 or death.signal == signal.SIGTERM)
        if not expected:
            log.log(logging.INFO if death.exit_code == 0 else logging.WARNING, "%s", reason)
            if slot.ready_at is not None and not slot.killed_because:
                self._backoff.died(now, slot.served_s(now))
            self.pool.restarts += 1

    def _loading_generation(self) -> int:
        return self._reload.generation if self._reload is not None else 0

    def _zygote_died(self, generation: Generation, death: Death) -> None:
        zygote = generation.zygote
        assert zygote is not None
        tag = f"{self._name()}/zygote-{generation.number}"
        self._show(tag, zygote.stdout.finish() + zygote.stderr.finish(), None)
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
        elif self._reload is None:
            log.warning(
                "%s: loading the app again",
                death.sentence(f"zygote of {self._name()}", None, False),
            )
            self.reload(_ZYGOTE_DIED, None)

    def stop(self) -> None:
        """Workers finish what they have; there are no new ones."""
        self.pool.stopping = True
        for slot in self._alive():
            if slot.pid:
                os.kill(slot.pid, signal.SIGTERM)
        for generation, _ in self._generations.zygotes():
            self._generations.retire(generation)

    def all_gone(self) -> bool:
        return not self.pool.slots and not self._generations.zygotes() and not self._sweep

    def kill_all(self, because: str) -> None:
        for slot in self._alive():
            self._kill(slot, because)
        for generation, zygote in self._generations.zygotes():
            self._generations.retire(generation)
            _kill_group(zygote.pid)

    def _kill(self, slot: Slot, because: str) -> None:
        if slot.killed_because is None:
            slot.killed_because = because
        if slot.pid:  # unreaped, so the number is still its own
            _kill_group(slot.pid)

    def close(self) -> None:
        self._board.close()


_ZYGOTE_DIED = "its zygote died"


def _kill_group(pid: int) -> None:
    """Kills a process and the children that it has left in its process group."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        try:
            os.kill(pid, signal.SIGKILL)  # before its setsid(), or with no group left
        except ProcessLookupError:
            pass
