"""The process of a zygote: imports the app, loads and warms it up once, then forks workers on command.

It has one thread and no ZeroMQ context: neither would survive a fork. What it says to its supervisor, and is
told, are JSON messages on a socket (SOCK_SEQPACKET); the descriptors of a worker's pipes come with the order to fork it.
"""

import contextlib
import faulthandler
import gc
import json
import os
import signal
import socket
import sys
import threading
from typing import Any

from samovar import worker_main
from samovar.app import AppError
from samovar.board import Slot
from samovar.hooks import HookFailed
from samovar.host import die_with_parent, keep_freed_memory
from samovar.launcher import WORKER_PIPES
from samovar.service import Service
from samovar.worker_main import VARIABLE, WorkerConfig

EXIT_THREADS = 4
_MESSAGE_BYTES = 64 * 1024
# Libraries that start threads of their own at import, by what tells them not to.
_THREAD_COUNTS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def main() -> int:
    """The zygote's life, and in each forked process that of a worker. Returns the exit code."""
    text = os.environ.pop(VARIABLE, None)
    if text is None:
        print("samovar.zygote_main is started by samovar-worker, not by hand", file=sys.stderr)
        return 2
    settings = json.loads(text)
    config = WorkerConfig(**settings["worker"])
    if not die_with_parent(config.supervisor_pid, signal.SIGKILL):
        return 1
    faulthandler.enable()
    keep_freed_memory()
    channel = socket.socket(fileno=settings["socket_fd"])
    channel.set_inheritable(False)
    os.set_inheritable(config.board_fd, False)
    worker_main.print_at_once()
    if not settings["allow_native_threads"]:
        for name in _THREAD_COUNTS:
            os.environ.setdefault(name, "1")
    try:
        service, name = worker_main.load(config)
    except (AppError, HookFailed, ValueError) as error:
        _say(channel, worker_main.failure(error))
        return worker_main.EXIT_NOT_LOADED
    threads = _python_threads()
    if threads:
        _say(channel, {"threads": threads})
        return EXIT_THREADS
    worker_main.import_the_rest(service)
    gc.collect()
    gc.freeze()  # what is loaded is neither looked through again nor, by that, written to
    native = len(os.listdir("/proc/self/task")) - 1
    _say(channel, {"loaded": name, "native_threads": native})
    order = _fork_on_command(channel)
    if order is None:
        return 0
    return _be_worker(*order, service, name)


def _python_threads() -> list[str]:
    """The names of all but this one."""
    names = {each.ident: each.name for each in threading.enumerate()}
    others = sys._current_frames().keys() - {threading.get_ident()}
    return [names.get(ident, f"thread {ident}") for ident in others]


def _say(channel: socket.socket, message: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # the supervisor is gone, and so will this process be
        channel.send(json.dumps(message).encode())


def _fork_on_command(channel: socket.socket) -> tuple[WorkerConfig, list[int]] | None:
    """Returns in each forked worker with what it is to be, and None in the zygote when it is to end."""
    while True:
        data, fds, _, _ = socket.recv_fds(
            channel, _MESSAGE_BYTES, len(WORKER_PIPES), socket.MSG_CMSG_CLOEXEC
        )
        if not data:
            return None
        order = WorkerConfig(**json.loads(data))
        pid = _fork_for(order.supervisor_pid)
        if pid is None:
            channel.close()
            return order, fds
        for fd in fds:
            os.close(fd)
        _say(channel, {"forked": order.slot, "pid": pid})


def _fork_for(supervisor: int) -> int | None:
    """Forks a child of the supervisor: its pid here (0: the system refused), None in the child.

    The process between the two ends at once; its child then becomes one of the next subreaper.
    """
    reader, writer = os.pipe()
    try:
        middle = os.fork()
    except OSError:
        os.close(reader)
        os.close(writer)
        return 0
    if middle == 0:
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError:
            os._exit(1)
        if pid > 0:
            os.write(writer, b"%d" % pid)
            os._exit(0)
        os.close(writer)
        while os.getppid() == parent:  # ends within microseconds
            os.sched_yield()
        os.close(reader)
        if not die_with_parent(supervisor, signal.SIGKILL):
            os._exit(1)
        return None
    os.close(writer)
    os.waitpid(middle, 0)
    with os.fdopen(reader, "rb") as pipe:
        return int(pipe.read() or b"0")


def _be_worker(config: WorkerConfig, fds: list[int], service: Service, name: str) -> int:
    os.setsid()
    stdout, stderr, status, stack, command = fds
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    os.close(stdout)
    os.close(stderr)
    config = worker_main.with_descriptors(config, status, stack, command)
    board = Slot(config.board_fd, config.slot)
    os.close(config.board_fd)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()  # Python's own generator does so by itself
    return worker_main.serve(config, board, service, name)


if __name__ == "__main__":
    sys.exit(main())
