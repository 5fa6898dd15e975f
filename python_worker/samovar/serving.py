"""Channels that threads share: whoever waits and finds nobody serving the sockets does so, for all of them."""

import os
import threading
import time
from typing import Any

import zmq

from samovar.channels import Channels
from samovar.keys import read_keys
from samovar.outgoing import Call


class SharedChannels:
    """Thread-safe. Raises from the constructor what read_keys() and Channels() raise."""

    def __init__(
        self,
        pieces: tuple[str, ...],
        name: str,
        files: tuple[str, str] | None,
        max_age: float | None,
    ) -> None:
        keys = read_keys(files)
        self._changed = threading.Condition()
        self._is_served = False
        self._closed = False
        self._stand_in: threading.Thread | None = None
        self._context: zmq.Context[Any] = zmq.Context()
        self._woken, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            self._channels = Channels(
                self._context, pieces, name, keys, max_age, wake=self._wake_from_outside
            )
        except BaseException:
            self._closed = True
            self._context.destroy(linger=0)
            self._close_pipe()
            raise
        self.endpoint = self._channels.calls.endpoint

    def submit(self, call: Call) -> None:
        with self._changed:
            self._check_open()
            self._channels.calls.submit(call, time.monotonic())
            self._serve_or_wake()

    def cancel(self, call: Call) -> None:
        with self._changed:
            if not self._closed:
                self._channels.calls.cancel(call)
                self._serve_or_wake()

    def taken(self, call: Call, count: int) -> None:
        with self._changed:
            if not self._closed:
                self._channels.calls.taken(call, count)
                self._serve_or_wake()

    def stand_in(self) -> None:
        """From now on a thread serves the sockets while calls are outstanding and nobody else does."""
        with self._changed:
            if self._stand_in is None and not self._closed:
                self._stand_in = threading.Thread(target=self._serve_others, daemon=True)
                self._stand_in.start()

    def _serve_others(self) -> None:
        calls = self._channels.calls
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
            self._channels.close()
            self._changed.notify_all()
        if self._stand_in is not None:
            self._stand_in.join()
        self._context.term()
        self._close_pipe()

    def _close_pipe(self) -> None:
        os.close(self._woken)
        os.close(self._waker)

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("the client is closed")

    def _serve_or_wake(self) -> None:
        """What is to be sent leaves now, or by the thread that serves the sockets."""
        if self._is_served:
            self._wake()
        else:
            self._turn()

    def _wake(self) -> None:
        try:
            os.write(self._waker, b"!")
        except BlockingIOError:
            pass  # it has been woken often enough

    def _wake_from_outside(self) -> None:
        with self._changed:
            if not self._closed:
                self._wake()

    def _turn(self) -> None:
        self._channels.turn()
        self._channels.calls.news.clear()
        self._changed.notify_all()

    def _serve(self, ready: Any) -> None:
        """Holding the lock, but for the time of waiting."""
        channels = self._channels
        self._is_served = True
        try:
            self._turn()
            while not ready() and not self._closed:
                wait = channels.seconds_to_wait()
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
        channels = self._channels
        ms = -1 if seconds is None else int(seconds * 1000) + 1
        sources = [self._woken, *(source for each in channels for source in each.sources)]
        found: list[Any] = zmq.zmq_poll([(source, zmq.POLLIN) for source in sources], ms)
        if (self._woken, zmq.POLLIN) in found:
            os.read(self._woken, 4096)
