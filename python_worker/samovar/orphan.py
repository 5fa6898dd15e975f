"""What a pool that samovard has started does when samovard dies: it serves on for a while, for the next one.

The next samovard finds the pool by the name of an abstract socket, which the kernel frees when the pool ends,
and adopts it by connecting there. After `orphan_grace` without one the pool stops.
"""

import contextlib
import logging
import os
import socket
import struct

from samovar.host import watch_process

log = logging.getLogger("samovar")


class Guardian:
    """Watches the samovard that a pool belongs to. Without `parent` there is none: every method is idle.

    Its owner polls sources() and calls handle(). `now` is monotonic seconds.
    """

    def __init__(self, parent: int | None, pool_id: str | None, grace: float) -> None:
        """`pool_id`: the abstract socket's name; None: no other samovard may adopt the pool."""
        self._grace = grace
        self._alone_until: float | None = None
        self._watched: int | None = None
        self._door: socket.socket | None = None
        if parent is not None:
            self._watch(parent)
            if pool_id is not None:
                self._open_door(pool_id)

    def _open_door(self, pool_id: str) -> None:
        door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            door.bind("\0" + pool_id)
            door.listen(4)
        except OSError as error:
            log.warning("the next samovard will not find this pool (%s): %s", pool_id, error)
            door.close()
            return
        door.setblocking(False)
        self._door = door

    def _watch(self, pid: int) -> None:
        if self._watched is not None:
            os.close(self._watched)
        self._watched = watch_process(pid)
        self._alone_until = None
        if self._watched is None:  # it is gone already
            self._alone_until = 0.0

    def sources(self) -> list[int]:
        """Descriptors to be polled for reading."""
        found = [] if self._watched is None else [self._watched]
        return found if self._door is None else [*found, self._door.fileno()]

    def handle(self, source: int, now: float) -> None:
        """A descriptor of sources() is readable."""
        if source == self._watched:
            os.close(self._watched)
            self._watched = None
            self._alone_until = now + (self._grace if self._door is not None else 0.0)
            if self._alone_until > now:
                log.warning("samovard is gone: serving on for %g s, for the next one", self._grace)
        elif self._door is not None and source == self._door.fileno():
            with contextlib.suppress(OSError):
                caller, _ = self._door.accept()
                with caller:
                    peer = caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
                    pid, uid, _ = struct.unpack("3i", peer)
                    if uid in (os.getuid(), 0):
                        self._watch(pid)
                        log.info("adopted by samovard, pid %d", pid)

    def seconds_to_wait(self, now: float) -> float | None:
        return None if self._alone_until is None else max(0.0, self._alone_until - now)

    def gave_up(self, now: float) -> bool:
        """True once, when nobody has come in time."""
        if self._alone_until is None or now < self._alone_until:
            return False
        self._alone_until = None
        return True

    def close(self) -> None:
        if self._watched is not None:
            os.close(self._watched)
        if self._door is not None:
            self._door.close()
