"""The process of a zygote: imports the app, loads and warms it up once, then forks workers on command.

It has one thread and no ZeroMQ context: neither would survive a fork. What it says to its supervisor, and is
told, are JSON messages on a socket (SOCK_SEQPACKET); the descriptors of a worker's pipes come with the order to fork it.
"""

import contextlib
import faulthandler
import gc
import json
import logging
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
    order = _fork_on_command(channel, config.supervisor_pid)
    if order is None:
        return 0
    return _be_worker(order.config, order.fds, service, name)


def _python_threads() -> list[str]:
    """The names of all but this one."""
    names = {each.ident: each.name for each in threading.enumerate()}
    others = sys._current_frames().keys() - {threading.get_ident()}
    return [names.get(ident, f"thread {ident}") for ident in others]


def _say(channel: socket.socket, message: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # the supervisor is gone, and so will this process be
        channel.send(json.dumps(message).encode())


def _fork_on_command(channel: socket.socket, supervisor: int) -> "_Order | None":
    """Returns in each forked worker with what it is to be; None where this process is to end.

    The next worker is forked ahead, as an heir that waits for its order: forking takes some ms for each 100 MB
    that are loaded.
    """
    order: _Order | None = None
    while True:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        _say(channel, {"forking": True})
        pid = _fork_for(supervisor)
        if pid is None:
            channel.close()
            ours.close()
            _limber_up()
            with theirs:
                return _Order.receive(theirs)
        theirs.close()
        _say(channel, {"heir": pid})
        with ours:
            order = order or _Order.receive(channel)
            if order is None:
                return None
            if pid == 0 or order.pass_on(ours):
                _say(channel, {"forked": order.config.slot, "pid": pid})
                order.close()
                order = None


def _limber_up() -> None:
    """Does once what a worker does first: every page that it writes to for the first time has to be copied."""
    import zmq

    from samovar.connection import Connection

    logging.StreamHandler(sys.stderr).setFormatter(logging.Formatter("%(message)s"))
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(io_threads=1)
    connection = Connection(context, "inproc://nowhere", {"role": "worker"})
    zmq.zmq_poll([(connection.socket, zmq.POLLIN), (connection.monitor, zmq.POLLIN)], 0)
    connection.close(linger_ms=0)
    context.term()


class _Order:
    """What a worker is to be, and its pipes."""

    def __init__(self, data: bytes, fds: list[int]) -> None:
        self.config = WorkerConfig(**json.loads(data))
        self.fds = fds
        self._data = data

    @classmethod
    def receive(cls, channel: socket.socket) -> "_Order | None":
        """Waits for one; None when the other end is closed."""
        data, fds, _, _ = socket.recv_fds(
            channel, _MESSAGE_BYTES, len(WORKER_PIPES), socket.MSG_CMSG_CLOEXEC
        )
        return cls(data, fds) if data else None

    def pass_on(self, heir: socket.socket) -> bool:
        """False when the heir is dead."""
        try:
            socket.send_fds(heir, [self._data], self.fds)
        except OSError:
            return False
        return True

    def close(self) -> None:
        for fd in self.fds:
            os.close(fd)


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
