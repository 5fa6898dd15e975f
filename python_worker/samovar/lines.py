"""A script that reads a line and writes a line as a service, unchanged: samovar-worker --lines.

Each worker runs one process of it, and asks it one line at a time, so that no answer can go to another caller. When the
script ends, its worker ends in the same way: its supervisor reports and replaces both.
"""

import faulthandler
import json
import os
import resource
import shlex
import shutil
import sys
from dataclasses import dataclass
from typing import Any, NoReturn

from samovar.app import AppError
from samovar.script import Script, ScriptEnded
from samovar.service import Service

OPTION = "--lines"
FORMATS = ("json", "text")
# A script that swallows a line would hold its worker for ever.
DEFAULT_HARD_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class LinesOptions:
    """`format` is that of its answers. `warm_up`: a line that it must have answered before a worker serves."""

    command: str
    format: str = "json"
    warm_up: str | None = None

    def to_target(self) -> str:
        """As a target of load_service()."""
        words = [OPTION, self.command, f"{OPTION}-format", self.format]
        if self.warm_up is not None:
            words += [f"{OPTION}-warm-up", self.warm_up]
        return shlex.join(words)

    @classmethod
    def from_target(cls, target: str) -> "LinesOptions":
        words = shlex.split(target)
        given = dict(zip(words[::2], words[1::2], strict=True))
        return cls(given[OPTION], given[f"{OPTION}-format"], given.get(f"{OPTION}-warm-up"))


def check_command(command: str) -> None:
    """Raises ValueError with a sentence."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ValueError(f"{command!r} is no command: {error}") from None
    if not words:
        raise ValueError("the command is empty: write --lines 'python3 index.py'")


def check_line(text: str) -> None:
    """Raises ValueError with a sentence."""
    if "\n" in text or "\r" in text:
        raise ValueError("a line must hold no line end: the script would take it for several")


def make_service(target: str, name: str) -> Service:
    """Raises AppError. The script itself is started by each worker."""
    options = LinesOptions.from_target(target)
    program = shlex.split(options.command)[0]
    if shutil.which(program) is None:
        raise AppError(f"there is no command {program!r}: looked in {os.getcwd()} and in PATH")
    service = Service(name)
    speaker = _Speaker(options)
    service.on_worker_start(speaker.start)
    service.on_stop(speaker.stop)
    service.method(speaker.line)
    if options.format == "json":
        service.method(speaker.call)
    return service


class _Speaker:
    """The service's handlers, and the script that they talk to."""

    def __init__(self, options: LinesOptions) -> None:
        self._options = options
        self._script: Script | None = None
        self._json = options.format == "json"
        self._value: Any = None

    def line(self, text: str) -> Any:
        """Sends `text` as a line and returns the answer: its value if that is JSON, or the line itself."""
        if type(text) is not str:
            raise TypeError(
                f"a line is a str, not {type(text).__name__}: call() sends any value as JSON"
            )
        check_line(text)
        return self._ask(text)

    def call(self, value: Any) -> Any:
        """Sends `value` as a line of JSON and returns the value of the answer."""
        return self._ask(json.dumps(value))

    def start(self) -> None:
        script = Script(self._options.command, self._take_json if self._json else self._take_text)
        script.wait_for_rest()
        if self._options.warm_up is not None:
            script.ask(self._options.warm_up.encode())
        self._script = script
        script.watch(_end_like)

    def stop(self) -> None:
        if self._script is not None:
            self._script.stop()

    def _ask(self, text: str) -> Any:
        assert self._script is not None
        try:
            answer = self._script.ask(text.encode())
        except ScriptEnded as end:
            _end_like(end)
        except BaseException as error:
            # Its answer is still to come, and would go to the next caller.
            _end_like(ScriptEnded(f"asking the script was cut short by {type(error).__name__}", 1))
        if self._json:
            if isinstance(self._value, RecursionError):
                raise ValueError("the script's answer is nested too deeply") from None
            return self._value
        try:
            return answer.decode()
        except UnicodeDecodeError as error:
            raise ValueError(f"the script's answer is not UTF-8: {error}") from None

    def _take_json(self, line: bytes) -> bool:
        try:
            self._value = json.loads(line.decode())
        except ValueError:
            return False
        except RecursionError as error:
            self._value = error
        return True

    def _take_text(self, line: bytes) -> bool:
        return True


def _end_like(end: ScriptEnded) -> NoReturn:
    """Ends this process as the script has ended, for its obituary to say it. The script's stderr was this one's."""
    print(f"samovar: {end}", file=sys.stderr, flush=True)
    sys.stdout.flush()
    if end.code >= 0:
        os._exit(end.code)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.disable()
    os.kill(os.getpid(), -end.code)
    os._exit(128 - end.code)  # a signal that is handled here
