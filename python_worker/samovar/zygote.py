"""The supervisor's side of a zygote: the process that loads the app once and forks workers of it."""

import json
import logging
import socket
from dataclasses import asdict, replace
from typing import Any

from samovar.launcher import WORKER_PIPES, Pipes, WorkerHandle, spawn, worker_name
from samovar.output import LineReader
from samovar.worker_main import WorkerConfig

log = logging.getLogger("samovar")

_MESSAGE_BYTES = 64 * 1024


class Zygote:
    """A started zygote: a Launcher once it has said that it is loaded.

    It dies, and its heir with it, when retire() closes its socket, when the supervisor dies, or as anything dies; the supervisor
    reaps it.
    """

    def __init__(self, config: WorkerConfig, allow_native_threads: bool) -> None:
        """`config` is common to all workers. Raises OSError."""
        pipes = Pipes.open("stdout", "stderr")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        text = json.dumps(
            {
                "worker": asdict(config),
                "socket_fd": theirs.fileno(),
                "allow_native_threads": allow_native_threads,
            }
        )
        inherited = [config.board_fd, theirs.fileno()]
        try:
            self.pid = spawn("samovar.zygote_main", text, pipes.theirs, inherited)
        except BaseException:
            pipes.close()
            ours.close()
            raise
        finally:
            pipes.close_theirs()
            theirs.close()
        ours.setblocking(False)
        self.socket = ours
        self._pipes = pipes
        self.stdout = LineReader(pipes.ours["stdout"])
        self.stderr = LineReader(pipes.ours["stderr"], keep=40)
        self._config = config
        self._forking: dict[int, WorkerHandle] = {}  # by slot
        self.heir = 0  # the pid of the process that will be the next worker; 0: none yet
        self.is_forking = False  # a child may be there that is neither a worker nor the heir yet

    def start(self, slot: int, parked: bool) -> WorkerHandle:
        pipes = Pipes.open(*WORKER_PIPES)
        config = replace(self._config, slot=slot, worker_name=worker_name(slot), parked=parked)
        request = json.dumps(asdict(config)).encode()
        try:
            socket.send_fds(self.socket, [request], [pipes.theirs[name] for name in WORKER_PIPES])
        except BaseException:
            pipes.close()
            raise
        finally:
            pipes.close_theirs()
        handle = WorkerHandle(0, pipes)
        self._forking[slot] = handle
        return handle

    def receive(self) -> list[dict[str, Any]]:
        """What it has said: {"loaded": name, ...}, {"failed": sentence, ...}, {"forked": slot, "pid": pid}.

        A pid has been put into its handle by then.
        """
        said: list[dict[str, Any]] = []
        while True:
            try:
                data = self.socket.recv(_MESSAGE_BYTES)
            except OSError:  # nothing there, or it is dead: it will be reaped
                return said
            if not data:
                return said
            message = json.loads(data)
            if "forking" in message:
                self.is_forking = True
                continue
            if "heir" in message:
                self.heir, self.is_forking = message["heir"], False
                continue
            if "forked" in message:
                self._forking.pop(message["forked"]).pid = message["pid"]
                self.heir = 0
            said.append(message)

    def retire(self) -> None:
        """It ends by itself; its pipes stay open for what it still prints."""
        self.socket.close()

    def close(self) -> None:
        self.socket.close()
        self._pipes.close()
