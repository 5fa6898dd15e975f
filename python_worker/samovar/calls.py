"""A client's calls, without a socket or a clock: events go in with the time, messages and ended calls come out.

Every call that is submitted ends exactly once. `now` arguments are time.monotonic(). Not thread-safe.
"""

import itertools
import os
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import msgpack

from samovar import wire
from samovar.arrays import ArrayError, place
from samovar.attached import MAX_ATTACHMENTS, Frame
from samovar.bundles import attachments_of, decode_items, decode_replies
from samovar.errors import Error, word_of
from samovar.outgoing import NO_DEADLINE, Call, Reply

BROKER_WAIT_S = 30.0  # how long a call without a timeout waits for a broker
GRACE_S = 0.1  # so long after its deadline a call ends by itself, when the broker says nothing
_BUNDLE_BYTES = 256 * 1024
_LONGEST_S = 365 * 86400.0
_HEAD_BYTES = 1024  # of a message, at most, beside its body and attachments

_pack = wire.new_packer().pack


class Calls:
    """What is outstanding on one connection, and what is to be sent."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.late = 0  # replies and items to calls that are not outstanding
        self.news: list[Call] = []  # that have ended or got items, since the owner has emptied it
        self._ids = int.from_bytes(os.urandom(4), "little")
        self._waiting: deque[Call] = deque()
        self._sent: dict[int, Call] = {}
        self._cancels: list[int] = []
        self._windows: list[int] = []
        self._epoch = 0
        self._max_body = 0
        self._same_clock = False
        self._draining = False
        self._due = NO_DEADLINE  # no call's time is up before
        self._refused: tuple[str, str] | None = None  # code and why: this connection is of no use

    @property
    def outstanding(self) -> int:
        return len(self._waiting) + len(self._sent)

    # --- the caller --------------------------------------------------------------------------------------

    def submit(self, call: Call, now: float) -> None:
        timeout = call.options.timeout
        if timeout is not None:
            call.deadline = now + min(max(timeout, 0.0), _LONGEST_S)
        if self._refused is not None:
            return self._fail(call, *self._refused)
        if self._draining:
            return self._fail(call, "unavailable", f"the broker at {self.endpoint} is going away")
        self._ids += 1
        call.id = self._ids
        if timeout is None:
            call.deadline = now + BROKER_WAIT_S
        self._due = min(self._due, call.deadline)
        self._waiting.append(call)

    def cancel(self, call: Call) -> None:
        if not call.done:
            self._tell_cancelled(call)
            self._fail(call, "cancelled", "the caller cancelled the call")

    def cancel_all(self) -> None:
        for call in [*self._sent.values(), *self._waiting]:
            self.cancel(call)

    def taken(self, call: Call, count: int) -> None:
        """The reader of a stream has taken so many items in all: it is ready for a window more."""
        window = count + call.options.window
        if call.sent and not call.done and window - call.window >= (call.options.window + 1) // 2:
            call.window = window
            self._windows += (call.id, window)

    # --- the connection ----------------------------------------------------------------------------------

    def began(self, epoch: int, max_body: int, same_clock: bool) -> None:
        self._epoch, self._max_body, self._same_clock = epoch, max_body, same_clock
        self._draining = False
        self._refused = None

    def lost(self, now: float) -> None:
        """The connection or its session is over: what was sent ends, or waits again where its caller allowed that."""
        self._epoch = 0
        self._draining = False
        self._refused = None
        self._cancels.clear()
        self._windows.clear()
        again = []
        for call in list(self._sent.values()):
            if call.options.idempotent and call.attempt < 255 and call.came == 0:
                again.append(call)
                call.sent = False
                if call.options.timeout is None:
                    call.deadline = now + BROKER_WAIT_S
                self._due = min(self._due, call.deadline)
            else:
                self._fail(
                    call,
                    "broker_lost",
                    "the broker went away while it held the call: it may have run",
                )
        self._sent.clear()
        self._waiting.extendleft(reversed(again))

    def refused(self, code: str, why: str) -> None:
        """Whatever waits ends like this, and what comes, until the connection is lost or a session has begun."""
        self._refused = (code, why)
        for call in list(self._waiting):
            self._fail(call, code, why)

    def message(self, kind: int, frame: bytes, frames: list[Frame]) -> None:
        """A message of the session. Raises WireError for what PROTOCOL.md does not allow."""
        if kind == wire.REPLY:
            self._replies(frame, frames)
        elif kind == wire.ITEMS:
            self._stream_items(frame, frames)
        elif kind == wire.DRAIN:
            self._drain()
        elif kind == wire.PROTOCOL_ERROR:
            self._protocol_error(wire.decode_control(frame, len(frames)))

    def _replies(self, frame: bytes, frames: list[Frame]) -> None:
        message = decode_replies(frame, len(frames))
        taken = 0
        for start in range(3, len(message), 6):
            id_, attempt, status, run_us, value, ext = message[start : start + 6]
            count = attachments_of(ext)
            own = frames[taken : taken + count]
            taken += count
            call = self._sent.get(id_) if message[2] == self._epoch else None
            if call is None or attempt < call.attempt:
                self.late += 1
            elif status != wire.OK:
                self._end(call, error=self._error(call, word_of(status), value))
            else:
                self._succeed(call, value, own, attempt, run_us, ext or {})

    def _succeed(
        self,
        call: Call,
        value: Any,
        frames: list[Frame],
        attempt: int,
        run_us: int,
        ext: dict[Any, Any],
    ) -> None:
        try:
            value = place(value, frames)
        except ArrayError as error:
            return self._fail(call, "protocol_error", f"the result holds a wrong array: {error}")
        queued, worker = ext.get("queued_us"), ext.get("worker")
        reply = Reply(
            value,
            [bytes_of(frame) for frame in frames],
            attempt,
            run_us / 1e6,
            queued / 1e6 if type(queued) is int else None,
            worker if isinstance(worker, str) else None,
        )
        self._end(call, reply=reply)

    def _stream_items(self, frame: bytes, frames: list[Frame]) -> None:
        message = decode_items(frame, len(frames))
        taken = 0
        for start in range(3, len(message), 5):
            id_, attempt, seq, value, ext = message[start : start + 5]
            count = attachments_of(ext)
            own = frames[taken : taken + count]
            taken += count
            call = self._sent.get(id_) if message[2] == self._epoch else None
            if call is None or attempt < call.attempt or not call.is_stream:
                self.late += 1
            elif seq != call.came:
                self._tell_cancelled(call)
                self._fail(
                    call, "protocol_error", f"item {seq} of the stream came, not {call.came}"
                )
            else:
                call.came += 1
                self.news.append(call)
                try:
                    call.items.append(place(value, own))
                except ArrayError as error:
                    self._tell_cancelled(call)
                    self._fail(call, "protocol_error", f"an item holds a wrong array: {error}")

    def _drain(self) -> None:
        if not self._epoch:
            return
        self._draining = True
        going = f"the broker at {self.endpoint} is going away"
        for call in list(self._waiting):
            if call.attempt == 0:
                self._fail(call, "unavailable", going)
            else:
                self._fail(
                    call,
                    "broker_lost",
                    f"{going}, and so had the one that held the call before: it may have run",
                )

    def _protocol_error(self, message: wire.Message) -> None:
        text = "the broker refused what this client sent: " + wire.decode_protocol_error(message)
        code = "unauthorized" if message[3].get("unauthorized") is True else "protocol_error"
        if not self._epoch:
            return self.refused(code, text)
        for call in list(self._sent.values()):  # a whole message was refused, nothing says which
            self._fail(call, code, text)

    # --- time --------------------------------------------------------------------------------------------

    def tick(self, now: float, why_waiting: str) -> None:
        """Ends what is due. `why_waiting`: why calls that wait have not been sent."""
        if now < self._due:
            return
        for call in [call for call in self._waiting if call.deadline <= now]:
            if call.attempt > 0:
                self._fail(
                    call,
                    "broker_lost",
                    "the broker went away while it held the call, and none came in time to send it to again: "
                    "it may have run",
                )
            elif self._epoch:
                self._fail(
                    call, "deadline_exceeded", "the time was up before the call could be sent"
                )
            else:
                self._fail(call, "unavailable", why_waiting)
        for call in [c for c in self._sent.values() if c.deadline + GRACE_S <= now]:
            self._tell_cancelled(call)
            self._fail(
                call,
                "deadline_exceeded",
                "the time was up, and the broker said nothing: it is stopped or cut off; the call may have run",
            )
        due = [call.deadline for call in self._waiting]
        due += [call.deadline + GRACE_S for call in self._sent.values()]
        self._due = min(due, default=NO_DEADLINE)

    def next_deadline(self) -> float | None:
        """When tick() has something to do, or a little before."""
        return None if self._due == NO_DEADLINE else self._due

    # --- what is to be sent --------------------------------------------------------------------------------

    def next_message(self, now: float) -> "Message | None":
        """What waits, bundled; the owner says sent(message) when the transport has taken it."""
        if not self._epoch:
            return None
        if self._cancels:
            ids = self._cancels[: wire.MAX_BUNDLE]
            return Message(
                [_pack([wire.VERSION, wire.CANCEL, self._epoch, *ids])], cancels=len(ids)
            )
        if self._windows:
            pairs = self._windows[: 2 * wire.MAX_BUNDLE]
            frame = _pack([wire.VERSION, wire.WINDOW, self._epoch, *pairs])
            return Message([frame], windows=len(pairs))
        return self._bundle(now)

    def _bundle(self, now: float) -> "Message | None":
        calls: list[Call] = []
        size = 0
        buffers = 0
        for call in tuple(itertools.islice(self._waiting, wire.MAX_BUNDLE)):
            if call.size + _HEAD_BYTES > self._max_body:
                self._fail(
                    call,
                    "too_large",
                    f"the call has {call.size} bytes, more than the {self._max_body} of a message",
                )
                continue
            size += call.size
            buffers += len(call.buffers)
            if calls and (size > _BUNDLE_BYTES or buffers > MAX_ATTACHMENTS):
                break
            calls.append(call)
        if not calls:
            return None
        sent_us = int(now * 1e6) if self._same_clock else 0
        packer = msgpack.Packer(autoreset=False)
        packer.pack_array_header(4 + 8 * len(calls))
        for number in (wire.VERSION, wire.REQUEST, self._epoch, sent_us):
            packer.pack(number)
        parts = [packer.bytes()]
        frames: list[Any] = []
        for call in calls:
            left = 0
            if call.options.timeout is not None:
                left = max(int((call.deadline - now) * 1e6), 1)
            flags = (
                (wire.FLAG_IDEMPOTENT if call.options.idempotent else 0)
                | (wire.FLAG_METADATA if call.options.metadata else 0)
                | (wire.FLAG_STREAM if call.is_stream else 0)
            )
            head = (call.id, call.attempt + 1, flags, left)
            parts += [_pack(number) for number in head]
            parts.append(call.tail)
            frames += call.buffers
        return Message([b"".join(parts), *frames], calls=calls)

    def sent(self, message: "Message") -> None:
        del self._cancels[: message.cancels]
        del self._windows[: message.windows]
        for call in message.calls:
            self._waiting.popleft()
            call.attempt += 1
            call.sent = True
            if call.options.timeout is None:
                call.deadline = NO_DEADLINE  # the broker's
            self._sent[call.id] = call

    # --- ends --------------------------------------------------------------------------------------------

    def _tell_cancelled(self, call: Call) -> None:
        if call.sent:
            self._cancels.append(call.id)

    def _error(self, call: Call, code: str, value: dict[Any, Any]) -> Error:
        return Error(code, value, call.method, self.endpoint, call.options.idempotent)

    def _fail(self, call: Call, code: str, why: str) -> None:
        self._end(call, error=self._error(call, code, {"message": why, "where": "client"}))

    def _end(self, call: Call, reply: Reply | None = None, error: Error | None = None) -> None:
        if self._sent.pop(call.id, None) is None and call.id and not call.sent:
            try:
                self._waiting.remove(call)
            except ValueError:
                pass
        call.sent = False
        call.reply, call.error, call.done = reply, error, True
        call.buffers = []
        self.news.append(call)


@dataclass
class Message:
    """To be sent, and what it takes with it."""

    frames: list[Any]
    calls: list[Call] = field(default_factory=list)
    cancels: int = 0
    windows: int = 0


def bytes_of(frame: Frame) -> bytes:
    data: bytes = frame if type(frame) is bytes else frame.bytes
    return data
