"""A channel that threads share: whoever waits and finds nobody serving the socket does so, for all of them."""

import os
import threading
import time
from typing import Any

import zmq

from samovar.channel import Channel
from samovar.keys import read_keys
from samovar.outgoing import Call


class SharedChannel:
    """Thread-safe. Raises from the constructor what read_keys() and Channel() raise."""

    def __init__(self, endpoint: str, name: str, files: tuple[str, str] | None) -> None:
        self.endpoint = endpoint
        self._context: zmq.Context[Any] = zmq.Context()
        try:
            self._channel = Channel(self._context, endpoint, name, read_keys(files))
        except BaseException:
            self._context.destroy(linger=0)
            raise
        self._changed = threading.Condition()
        self._is_served = False
        self._closed = False
        self._stand_in: threading.Thread | None = None
        self._woken, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def submit(self, call: Call) -> None:
        with self._changed:
            self._check_open()
            self._channel.calls.submit(call, time.monotonic())
            self._serve_or_wake()

    def cancel(self, call: Call) -> None:
        with self._changed:
            if not self._closed:
                self._channel.calls.cancel(call)
                self._serve_or_wake()

    def taken(self, call: Call, count: int) -> None:
        with self._changed:
            if not self._closed:
                self._channel.calls.taken(call, count)
                self._serve_or_wake()

    def stand_in(self) -> None:
        """From now on a thread serves the socket while calls are outstanding and nobody else does."""
        with self._changed:
            if self._stand_in is None and not self._closed:
                self._stand_in = threading.Thread(target=self._serve_others, daemon=True)
                self._stand_in.start()

    def _serve_others(self) -> None:
        calls = self._channel.calls
        with self._changed:
            while not self._closed:
                if self._is_served or not calls.outstanding:
                    self._changed.wait()
                else:
                    self._serve(lambda: not calls.outstanding)

    def wait(self, call: Call, ready: Any) -> None:
        try:
            with self._changed:
                while not ready():
                    self._check_open()
                    if self._is_served:
                        self._changed.wait()
                    else:
                        self._serve(ready)
        except BaseException:
            self.cancel(call)
            raise

    def close(self) -> None:
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._wake()
            while self._is_served:
                self._changed.wait()
            self._channel.close()
            self._changed.notify_all()
        if self._stand_in is not None:
            self._stand_in.join()
        self._context.term()
        os.close(self._woken)
        os.close(self._waker)

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("the client is closed")

    def _serve_or_wake(self) -> None:
        """What is to be sent leaves now, or by the thread that serves the socket."""
        if self._is_served:
            self._wake()
        else:
            self._turn()

    def _wake(self) -> None:
        try:
            os.write(self._waker, b"!")
        except BlockingIOError:
            pass  # it has been woken often enough

    def _turn(self) -> None:
        self._channel.turn()
        self._channel.calls.news.clear()
        self._changed.notify_all()

    def _serve(self, ready: Any) -> None:
        """Holding the lock, but for the time of waiting."""
        channel = self._channel
        self._is_served = True
        try:
            self._turn()
            while not ready() and not self._closed:
                wait = channel.seconds_to_wait()
                self._changed.release()
                try:
                    self._poll(wait)
                finally:
                    self._changed.acquire()
                self._turn()
        finally:
            self._is_served = False
            self._changed.notify_all()

    def _poll(self, seconds: float | None) -> None:
        channel = self._channel
        ms = -1 if seconds is None else int(seconds * 1000) + 1
        sources: list[Any] = [channel.socket, channel.monitor, self._woken]
        found: list[Any] = zmq.zmq_poll([(source, zmq.POLLIN) for source in sources], ms)
        if (self._woken, zmq.POLLIN) in found:
            os.read(self._woken, 4096)
