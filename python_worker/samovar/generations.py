"""Generations of code and data: each is loaded once, by a zygote that forks its workers, or by every worker."""

import enum
import logging
import signal
from dataclasses import dataclass, replace
from typing import Any

from samovar.launcher import Launcher, ProcessLauncher
from samovar.obituary import Death
from samovar.output import LineReader
from samovar.reaper import signal_group
from samovar.worker_main import WorkerConfig
from samovar.zygote import Zygote

log = logging.getLogger("samovar")


class Phase(enum.Enum):
    LOADING = enum.auto()
    LOADED = enum.auto()
    FAILED = enum.auto()
    RETIRED = enum.auto()


@dataclass
class Generation:
    number: int
    launcher: Launcher | None  # None while nothing can be started of it
    zygote: Zygote | None
    phase: Phase = Phase.LOADING
    failure: dict[str, str] | None = None  # why it could not be loaded: "failed", "traceback"


class Generations:
    """All that still have processes. The supervisor's loop owns it; it polls the zygotes' descriptors."""

    def __init__(self, config: WorkerConfig, preload: bool, allow_native_threads: bool) -> None:
        """`config` is common to all workers."""
        self._config = config
        self._preload = preload
        self._allow_native_threads = allow_native_threads
        self._all: dict[int, Generation] = {}
        self._last = 0
        self.forked: list[int] = []  # slots whose pids have come since the owner looked

    def begin(self) -> Generation:
        """Starts to load code and data as they now are. Raises OSError."""
        self._last += 1
        config = replace(self._config, generation=self._last)
        if self._preload:
            zygote = Zygote(config, self._allow_native_threads)
            generation = Generation(self._last, None, zygote)
        else:
            generation = Generation(self._last, ProcessLauncher(config), None, Phase.LOADED)
        self._all[self._last] = generation
        return generation

    def get(self, number: int) -> Generation | None:
        return self._all.get(number)

    def zygotes(self) -> list[tuple[Generation, Zygote]]:
        return [(each, each.zygote) for each in self._all.values() if each.zygote is not None]

    def receive(self, generation: Generation) -> dict[str, Any] | None:
        """What its zygote has said about loading: {"loaded": name} or {"failed": ...}; None: nothing."""
        assert generation.zygote is not None
        outcome = None
        for message in generation.zygote.receive():
            if "forked" in message:
                self.forked.append(message["forked"])
            elif "threads" in message:
                self._fall_back(generation, message["threads"])
                outcome = {}
            elif "loaded" in message:
                generation.phase = Phase.LOADED
                generation.launcher = generation.zygote
                self._warn_of_threads(message["native_threads"])
                outcome = message
            else:
                generation.phase = Phase.FAILED
                generation.failure = message
                outcome = message
        return outcome

    def _warn_of_threads(self, count: int) -> None:
        if count and not self._allow_native_threads:
            log.warning(
                "the app's libraries have started %d threads, and no worker will have them, since workers are"
                " forked: if that matters use --no-preload, else --allow-native-threads",
                count,
            )

    def _fall_back(self, generation: Generation, threads: list[str]) -> None:
        log.warning(
            "the app starts threads while it is loaded (%s), and they would not be there in a forked worker:"
            " EACH WORKER LOADS THE APP FOR ITSELF. Start them in @service.on_worker_start to share what is loaded",
            ", ".join(threads),
        )
        self._preload = False
        generation.phase = Phase.LOADED
        generation.launcher = ProcessLauncher(replace(self._config, generation=generation.number))

    def zygote_died(self, generation: Generation, death: Death) -> None:
        """It is reaped: closes its pipes. A generation that was being loaded has failed."""
        zygote = generation.zygote
        assert zygote is not None
        if generation.launcher is zygote:
            generation.launcher = None
        if generation.phase is Phase.LOADING:
            generation.phase = Phase.FAILED
            generation.failure = {
                "failed": death.sentence("zygote") + " while it loaded the app",
                "traceback": b"\n".join(zygote.stderr.last).decode("utf-8", "replace")[-2000:],
            }
        zygote.close()
        generation.zygote = None

    def retire(self, generation: Generation) -> None:
        """No more workers of it. Its zygote ends and is reaped, also in the midst of loading."""
        loading = generation.phase is Phase.LOADING
        generation.phase = Phase.RETIRED
        generation.launcher = None
        if generation.zygote is not None:
            generation.zygote.retire()
            if loading:
                signal_group(generation.zygote.pid, signal.SIGTERM)

    def retire_before(self, number: int) -> None:
        for generation in list(self._all.values()):
            if generation.number < number and generation.phase is not Phase.RETIRED:
                self.retire(generation)
            if generation.phase is Phase.RETIRED and generation.zygote is None:
                del self._all[generation.number]


def readers_of(zygote: Zygote) -> tuple[LineReader, LineReader]:
    return zygote.stdout, zygote.stderr
