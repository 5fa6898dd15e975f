"""Renewing a pool: a new generation is loaded, then replaces the workers one by one, or is given up."""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from samovar.generations import Generation, Generations
from samovar.pool import Pool
from samovar.slot import Backoff

log = logging.getLogger("samovar")


@dataclass(frozen=True)
class Command:
    """A COMMAND that wants an answer: whose it is."""

    broker: int  # the supervisor's number for it
    epoch: int
    id: int


@dataclass(frozen=True)
class Answer:
    """A COMMAND_DONE."""

    to: Command
    ok: bool
    message: str | None = None
    result: dict[str, Any] | None = None


@dataclass
class _Reload:
    """One that is under way. `commands`: of those who wait for its end."""

    generation: int
    before: int  # the generation that serves until then, and on if this one fails
    again: bool  # not asked for: it takes the place of a zygote that died, and is tried again
    commands: list[Command] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)


class Reloads:
    """Loads, one at a time. `answers` collects those to commands; `last` is what became of the last one, for status.

    The owner's loop calls finish() each turn, and failed() when a generation could not be loaded.
    """

    def __init__(self, pool: Pool, generations: Generations, name: Callable[[], str]) -> None:
        """`name` gives the service's name for messages."""
        self.answers: list[Answer] = []
        self.last: dict[str, Any] | None = None
        self._pool = pool
        self._generations = generations
        self._name = name
        self._now: _Reload | None = None
        self._backoff = Backoff(random.Random())
        self._again_at: float | None = None

    @property
    def loading(self) -> int:
        """The generation that is to take over; 0: none is."""
        return 0 if self._now is None else self._now.generation

    def begin(self, because: str, command: Command | None, again: bool = False) -> None:
        """Loads code and data as they are now. A COMMAND is answered when that serves, or was given up."""
        if self._pool.stopping:
            self._refuse(command, "the pool is stopping")
            return
        overtaken = self._now
        if overtaken is not None:
            # It may have been read before the last change of the files: given up.
            self._give_up(overtaken)
        try:
            generation = self._generations.begin()
        except OSError as error:
            log.error("cannot load %s again: %s", self._name(), error)
            self._refuse(command, f"cannot load: {error}")
            return
        self._again_at = None
        log.info("%s: loading generation %d (%s)", self._name(), generation.number, because)
        reload = _Reload(generation.number, self._pool.generation, again)
        reload.commands += overtaken.commands if overtaken else []
        if command is not None:
            reload.commands.append(command)
        self._now = reload
        if generation.launcher is not None:
            self._pool.generation = generation.number

    def _refuse(self, command: Command | None, why: str) -> None:
        if command is not None:
            self.answers.append(Answer(command, False, why))

    def _give_up(self, reload: _Reload) -> None:
        self._now = None
        self._pool.generation = reload.before
        generation = self._generations.get(reload.generation)
        if generation is not None:
            self._generations.retire(generation)

    def zygote_died(self, generation: Generation, sentence: str) -> None:
        """That of a generation which was loaded: workers can only be started of another one."""
        if self._now is not None and self._now.generation != generation.number:
            return  # on its way already
        log.warning("%s: loading the app again", sentence)
        if self._now is not None:
            self._now = None
        self.begin("its zygote died", None, again=True)

    def finish(self, now: float) -> None:
        """Ends the reload when only its generation is left. Tries again what has to succeed."""
        if self._again_at is not None and now >= self._again_at:
            self.begin("again", None, again=True)
        reload, pool = self._now, self._pool
        if reload is None or pool.generation != reload.generation:
            return
        if pool.ready_workers() < pool.wanted or pool.of_old_generations():
            return
        self._now = None
        self._backoff = Backoff(random.Random())
        log.info("%s: generation %d serves", self._name(), reload.generation)
        seconds = round(time.monotonic() - reload.began, 3)
        self._end(
            reload,
            {
                "generation": reload.generation,
                "ok": True,
                "workers": pool.wanted,
                "seconds": seconds,
            },
        )
        self._generations.retire_before(reload.generation)

    def failed(self, number: int, failure: dict[str, str]) -> bool:
        """A generation cannot be loaded: False if that was no reload."""
        reload = self._now
        if reload is None or reload.generation != number:
            return False
        why = failure["failed"]
        log.error("%s: generation %d is given up: %s", self._name(), number, why)
        self._give_up(reload)
        result = {"generation": reload.before, "ok": False, "message": why}
        self._end(reload, {**result, "traceback": failure.get("traceback", "")})
        if reload.again:
            now = time.monotonic()
            self._backoff.died(now, None)
            self._again_at = self._backoff.start_at
        return True

    def seconds_to_wait(self, now: float) -> float | None:
        """How long the owner may sleep before finish()."""
        return None if self._again_at is None else max(0.0, self._again_at - now)

    def _end(self, reload: _Reload, result: dict[str, Any]) -> None:
        self.last = result
        for command in reload.commands:
            self.answers.append(Answer(command, result["ok"], result.get("message"), result))
