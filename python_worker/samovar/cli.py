"""The command samovar-worker. Exit codes: 0 stopped as asked, 1 the app cannot be served, 2 wrong usage."""

import argparse
import difflib
import logging
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

import zmq

from samovar import __version__, endpoints, exposed, host, lines
from samovar.app import split_target
from samovar.keys import BadKey
from samovar.output import Sink
from samovar.service import check_service_name
from samovar.staff import MAX_WORKERS
from samovar.staff_options import StaffOptions
from samovar.supervisor import PoolOptions, Supervisor
from samovar.wire import MAX_CREDIT

PROGRAM = "samovar-worker"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One sentence instead of the whole usage."""
        message += self._guess(message)
        self.exit(2, f"{PROGRAM}: {message}; see {PROGRAM} --help\n")

    def _guess(self, message: str) -> str:
        """The option that was meant, if one was misspelt."""
        wrong = re.fullmatch(r"unrecognized arguments: (--[\w-]+).*", message, re.DOTALL)
        close = wrong and difflib.get_close_matches(wrong[1], self._option_string_actions, 1, 0.75)
        return f"; did you mean {close[0]}" if close else ""


def _checked(check: Callable[[str], object]) -> Callable[[str], str]:
    """A text that `check` takes without a ValueError."""

    def parse(text: str) -> str:
        try:
            check(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        return text

    return parse


def _brokers(text: str) -> tuple[str, ...]:
    try:
        return endpoints.parse(text)
    except endpoints.BadEndpoint as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _between(low: int, high: int) -> "type[int]":
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {low} to {high}")
        return int(text)

    return parse  # type: ignore[return-value]


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return float(text)


def _positive_seconds(text: str) -> float:
    seconds = _seconds(text)
    if seconds == 0:
        raise argparse.ArgumentTypeError("it must be more than 0 seconds")
    return seconds


def _size_kb(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,6})([KMG])i?B?", text)
    if (
        match is None
        or (size := int(match[1]) * {"K": 1, "M": 1024, "G": 1024**2}[match[2]]) < 1024
    ):
        raise argparse.ArgumentTypeError(f"{text!r} is no size: write 512MB or 2GB, at least 1MB")
    return size


def make_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=PROGRAM,
        description="Serves a Python service with a pool of worker processes.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "target",
        metavar="MODULE:OBJECT",
        nargs="?",
        type=_checked(split_target),
        help="the app's samovar.Service object",
    )
    add(
        exposed.OPTION,
        metavar="MODULE:FUNCTION,...",
        type=_checked(exposed.parse),
        help="instead of an app: functions of an importable module, as in jieba:lcut,cut; "
        "NAME=FUNCTION renames, FUNCTION() is called while loading, * is all public ones",
    )
    add(
        lines.OPTION,
        metavar="COMMAND",
        type=_checked(lines.check_command),
        help="instead of an app: a script that answers each line on stdin with one on stdout; needs --name",
    )
    add(
        "--lines-format",
        metavar="FORMAT",
        choices=lines.FORMATS,
        help="what the script's answers are: json (default; other lines are shown, not taken) or text",
    )
    add(
        "--lines-warm-up",
        metavar="LINE",
        type=_checked(lines.check_line),
        help="the script has to answer this line before its worker serves",
    )
    add(
        "--connect",
        metavar="ENDPOINT,...",
        type=_brokers,
        required=True,
        help="backends of the brokers that it serves: tcp://HOST:PORT, ipc:///PATH, or dns+tcp://NAME:PORT for every address "
        "that NAME has",
    )
    add("--key", metavar="FILE", help="this pool's key, NAME.key, where the broker wants keys")
    add(
        "--broker-key", metavar="FILE", help="the brokers' public key, NAME.pub: all share one pair"
    )
    add(
        "--workers",
        metavar="N",
        type=_between(1, MAX_WORKERS),
        default=1,
        help="default: 1",
    )
    add(
        "--name",
        metavar="NAME",
        type=_checked(check_service_name),
        help="announce the service under this name (default: that of the Service object)",
    )
    add(
        "--credit",
        metavar="N",
        type=_between(1, MAX_CREDIT),
        default=MAX_CREDIT,
        help=f"requests that a worker may hold (default, and most: {MAX_CREDIT})",
    )
    add(
        "--hide-tracebacks",
        action="store_true",
        help="callers see no Python tracebacks",
    )
    add(
        "--hard-timeout",
        metavar="SECONDS",
        type=_positive_seconds,
        help="kill a worker whose call runs longer (default: never; "
        f"with --lines {lines.DEFAULT_HARD_TIMEOUT_S:g})",
    )
    add(
        "--spares",
        metavar="N",
        type=_between(0, MAX_WORKERS),
        default=0,
        help="warm workers that wait to take the place of one that dies (default: 0)",
    )
    add(
        "--no-preload",
        action="store_true",
        help="each worker loads the app for itself, instead of one for all",
    )
    add(
        "--allow-native-threads",
        action="store_true",
        help="leave the thread counts of OpenBLAS and the like alone, and do not warn about such threads",
    )
    add(
        "--max-requests",
        metavar="N",
        type=_between(1, 10**9),
        help="replace a worker after about so many requests (default: never)",
    )
    add(
        "--max-memory",
        metavar="SIZE",
        type=_size_kb,
        help="replace a worker that uses more (RSS, what it shares included): 512MB, 2GB; kill it at twice that",
    )
    add(
        "--report-memory",
        action="store_true",
        help="log every 10 s what each worker shares and what is its own",
    )
    add(
        "--health-interval",
        metavar="SECONDS",
        type=_positive_seconds,
        default=10.0,
        help="how often an idle worker runs the app's health_check (default: 10)",
    )
    add(
        "--stop-grace",
        metavar="SECONDS",
        type=_seconds,
        default=30.0,
        help="how long workers may finish after SIGTERM (default: 30)",
    )
    add(
        "--ready-file",
        metavar="FILE",
        help="is made when a worker is ready and a broker has it, and removed when none is",
    )
    add(
        "--parent-pid",
        metavar="PID",
        type=_between(1, 2**22),
        help="stop when this parent dies, unless another samovard adopts the pool",
    )
    add(
        "--pool-id",
        metavar="NAME",
        help="with --parent-pid: under which the next samovard finds the pool",
    )
    add(
        "--orphan-grace",
        metavar="SECONDS",
        type=_seconds,
        default=30.0,
        help="with --pool-id: how long to wait for that one (default: 30)",
    )
    add("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options; `target` is what load_service() takes. Wrong ones end the process with a sentence."""
    parser = make_parser()
    asked = parser.parse_args(arguments)
    given = [each for each in (asked.target, asked.expose, asked.lines) if each is not None]
    if len(given) != 1:
        parser.error("give one of MODULE:OBJECT, --expose and --lines")
    if asked.lines is None and (asked.lines_format or asked.lines_warm_up is not None):
        parser.error("--lines-format and --lines-warm-up go with --lines")
    if (asked.key is None) != (asked.broker_key is None):
        parser.error("--key and --broker-key belong together")
    if asked.pool_id is not None and asked.parent_pid is None:
        parser.error("--pool-id goes with --parent-pid")
    if asked.expose is not None:
        asked.target = f"{exposed.OPTION} {asked.expose}"
    elif asked.lines is not None:
        if asked.name is None:
            parser.error("--lines needs --name: what the service is to be called")
        script = lines.LinesOptions(asked.lines, asked.lines_format or "json", asked.lines_warm_up)
        asked.target = script.to_target()
        asked.hard_timeout = asked.hard_timeout or lines.DEFAULT_HARD_TIMEOUT_S
        asked.allow_native_threads = True  # the script's, who has processes of its own
    return asked


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a pool in this process, in its main thread; returns the exit code."""
    asked = _parse(arguments)
    _open_standard_descriptors()
    output = Sink(2)
    output.setFormatter(logging.Formatter(f"{PROGRAM}: %(message)s"))
    log = logging.getLogger("samovar")
    log.addHandler(output)
    log.setLevel(logging.INFO)
    log.propagate = False
    if asked.parent_pid is not None and asked.parent_pid != os.getppid():
        log.error(
            "process %d, given as --parent-pid, is not the parent of this one",
            asked.parent_pid,
        )
        return 1
    host.become_subreaper()
    staff = StaffOptions(
        target=asked.target,
        brokers=asked.connect,
        workers=asked.workers,
        service_name=asked.name,
        credit=asked.credit,
        hide_tracebacks=asked.hide_tracebacks,
        hard_timeout=asked.hard_timeout,
        spares=asked.spares,
        preload=not asked.no_preload,
        allow_native_threads=asked.allow_native_threads,
        max_requests=asked.max_requests,
        max_memory_kb=asked.max_memory,
        report_memory=asked.report_memory,
        health_interval=asked.health_interval,
        key_files=asked.key and (os.path.abspath(asked.key), os.path.abspath(asked.broker_key)),
    )
    options = PoolOptions(
        staff,
        stop_grace=asked.stop_grace,
        ready_file=asked.ready_file,
        parent_pid=asked.parent_pid,
        pool_id=asked.pool_id,
        orphan_grace=asked.orphan_grace,
    )
    try:
        supervisor = Supervisor(options, output)
    except BadKey as error:
        log.error("%s", error)
        return 2
    except OSError as error:
        log.error("--ready-file: %s", error)
        return 2
    except zmq.ZMQError as error:
        log.error("cannot connect to %s: %s", ",".join(asked.connect), error)
        return 2
    return supervisor.run()


def _open_standard_descriptors() -> None:
    """Started with one of 0, 1, 2 closed: a pipe must not get that number."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)


if __name__ == "__main__":
    sys.exit(main())
