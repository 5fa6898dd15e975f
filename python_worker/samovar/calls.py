"""A client's calls, and the brokers that it has, without a socket or a clock: events go in with the time, messages and ended
calls come out.

Every call that is submitted ends exactly once. `now` arguments are time.monotonic(). Not thread-safe.

Of several brokers the next calls go to the better one of two that are chosen by chance (choice.py). What a broker refuses
without having run it goes on to one that has not been asked. Where nothing can be hoped of any, all that waits ends at once,
and so does what comes.
"""

import itertools
import os
from collections import deque
from collections.abc import Callable
from typing import Any

from samovar import wire
from samovar.arrays import ArrayError, place
from samovar.attached import MAX_ATTACHMENTS, Frame
from samovar.broker import OWN, Broker, Message
from samovar.bundles import attachments_of, decode_items, decode_replies
from samovar.brokers import Brokers
from samovar.choice import Budget
from samovar.errors import Error, word_of
from samovar.outgoing import NO_DEADLINE, Call, Reply, request_frames

BROKER_WAIT_S = 30.0  # how long a call without a timeout waits for a broker
GRACE_S = 0.1  # so long after its deadline a call ends by itself, when the broker says nothing
_NOTHING_RAN = ("unavailable", "overloaded")
_BUNDLE_BYTES = 256 * 1024
_LONGEST_S = 365 * 86400.0
_HEAD_BYTES = 1024  # of a message, at most, beside its body and attachments


class Calls:
    """What is outstanding, and what is to be sent. `endpoint` is for errors of calls that no broker has."""

    def __init__(self, endpoint: str, seed: int | None = None) -> None:
        self.endpoint = endpoint
        self.brokers = Brokers(seed)
        self.late = 0  # replies and items to calls that are not outstanding
        self.moved = 0  # to another broker, which one had refused
        self.over_budget = 0  # which were not, since too many were before
        self.news: list[Call] = []  # that have ended or got items, since the owner has emptied it
        self._ids = int.from_bytes(os.urandom(4), "little")
        self._waiting: deque[Call] = deque()
        self._due = NO_DEADLINE  # no call's time is up before
        self._budget = Budget()

    @property
    def outstanding(self) -> int:
        return len(self._waiting) + sum(broker.load for broker in self.brokers)

    # --- the caller --------------------------------------------------------------------------------------

    def submit(self, call: Call, now: float) -> None:
        timeout = call.options.timeout
        if timeout is not None:
            call.deadline = now + min(max(timeout, 0.0), _LONGEST_S)
        if (end := self.brokers.hopeless()) is not None:
            return self._fail(call, *end)
        self._ids += 1
        call.id = self._ids
        self._budget.earn()
        self._waiting.append(call)
        self._wait_for_broker(call, now)

    def cancel(self, call: Call) -> None:
        if not call.done:
            self._tell_cancelled(call)
            self._fail(call, "cancelled", "the caller cancelled the call")

    def cancel_all(self) -> None:
        for broker in self.brokers:
            for call in [*broker.sent.values()]:
                self.cancel(call)
        for call in [*self._waiting]:
            self.cancel(call)

    def taken(self, call: Call, count: int) -> None:
        """The reader of a stream has taken so many items in all: it is ready for a window more."""
        window = count + call.options.window
        if call.broker and not call.done and window - call.window >= (call.options.window + 1) // 2:
            call.window = window
            call.broker.windows += (call.id, window)

    # --- the brokers -------------------------------------------------------------------------------------

    def lost(self, broker: Broker, now: float) -> None:
        """Its connection or its session is over: what was sent ends, or waits again where its caller allowed that."""
        if not broker.draining:
            self.brokers.failed(broker, now)
        broker.end()
        again = []
        for call in list(broker.sent.values()):
            if call.options.idempotent and call.attempt < 255 and call.came == 0:
                call.lost = True
                again.append(call)
            else:
                self._fail(
                    call,
                    "broker_lost",
                    "the broker went away while it held the call: it may have run",
                )
        for call in reversed(again):  # the oldest is again the first that waits
            self._wait_again(call, now)
        self._end_hopeless()

    def refused(self, broker: Broker, code: str, why: str) -> None:
        """It is of no use, until its connection is lost or a session has begun."""
        broker.refused = (code, why)
        self._end_hopeless()

    def _end_hopeless(self) -> None:
        end = self.brokers.hopeless() if self._waiting else None
        if end is None:
            return
        code, why = end
        for call in list(self._waiting):
            if call.lost and code == "unavailable":
                self._fail(
                    call,
                    "broker_lost",
                    f"{why}, and so had the one that held the call before: it may have run",
                )
            else:
                self._fail(call, code, why)

    def message(
        self, broker: Broker, kind: int, frame: bytes, frames: list[Frame], now: float
    ) -> None:
        """A message of the session. Raises WireError for what PROTOCOL.md does not allow."""
        if kind == wire.REPLY:
            self._replies(broker, frame, frames, now)
        elif kind == wire.ITEMS:
            self._stream_items(broker, frame, frames)
        elif kind == wire.DRAIN:
            self._drain(broker, wire.decode_drain(wire.decode_control(frame, len(frames))))
        elif kind == wire.PROTOCOL_ERROR:
            self._protocol_error(broker, wire.decode_control(frame, len(frames)))

    def _replies(self, broker: Broker, frame: bytes, frames: list[Frame], now: float) -> None:
        message = decode_replies(frame, len(frames))
        current = message[2] == broker.epoch
        if current:
            broker.health.answered()
        taken = 0
        for start in range(3, len(message), 6):
            id_, attempt, status, run_us, value, ext = message[start : start + 6]
            count = attachments_of(ext)
            own = frames[taken : taken + count]
            taken += count
            call = broker.sent.get(id_) if current else None
            if call is None or attempt < call.attempt:
                self.late += id_ != OWN
            elif status == wire.OK:
                broker.health.took(now - call.sent_at, now)
                self._succeed(call, broker, value, own, attempt, run_us, ext or {})
            elif not self._move(call, broker, word_of(status), attempt, now):
                self._end(call, error=self._error(call, word_of(status), value))

    def _move(self, call: Call, broker: Broker, code: str, attempt: int, now: float) -> bool:
        """What one broker refused without having run it, another one may take: each is asked once."""
        if code not in _NOTHING_RAN or call.came > 0 or not self.brokers.are_several():
            return False
        tried = call.tried | {broker}
        if not self.brokers.have_other(tried) or attempt >= 255:
            return False
        if call.options.timeout is not None and call.deadline <= now:
            return False
        if code == "overloaded" and not self._budget.spend():
            self.over_budget += 1
            return False
        self.moved += 1
        call.tried = tried
        call.attempt = attempt
        self._wait_again(call, now)
        return True

    def _wait_again(self, call: Call, now: float) -> None:
        assert call.broker is not None
        del call.broker.sent[call.id]
        call.broker = None
        self._waiting.appendleft(call)
        self._wait_for_broker(call, now)

    def _wait_for_broker(self, call: Call, now: float) -> None:
        if call.options.timeout is None:
            call.deadline = now + BROKER_WAIT_S
        self._due = min(self._due, call.deadline)

    def _succeed(
        self,
        call: Call,
        broker: Broker,
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
            broker.endpoint,
        )
        self._end(call, reply=reply)

    def _stream_items(self, broker: Broker, frame: bytes, frames: list[Frame]) -> None:
        message = decode_items(frame, len(frames))
        current = message[2] == broker.epoch
        if current:
            broker.health.answered()
        taken = 0
        for start in range(3, len(message), 5):
            id_, attempt, seq, value, ext = message[start : start + 5]
            count = attachments_of(ext)
            own = frames[taken : taken + count]
            taken += count
            call = broker.sent.get(id_) if current else None
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

    def _drain(self, broker: Broker, wants_answer: bool) -> None:
        if broker.epoch:
            broker.draining = True
            broker.drained_due = wants_answer
            self._end_hopeless()

    def _protocol_error(self, broker: Broker, message: wire.Message) -> None:
        text = "the broker refused what this client sent: " + wire.decode_protocol_error(message)
        code = "unauthorized" if message[3].get("unauthorized") is True else "protocol_error"
        if not broker.epoch:
            return self.refused(broker, code, text)
        broker.forget()
        for call in list(broker.sent.values()):  # a whole message was refused, nothing says which
            self._fail(call, code, text)

    # --- time --------------------------------------------------------------------------------------------

    def tick(self, now: float, why_waiting: Callable[[], str]) -> None:
        """Does what is due. `why_waiting`: why calls that wait have not been sent, where no broker has a session."""
        self.brokers.tick(now)
        if now < self._due:
            return
        for call in [call for call in self._waiting if call.deadline <= now]:
            if call.lost:
                self._fail(
                    call,
                    "broker_lost",
                    "the broker went away while it held the call, and none came in time to send it to again: "
                    "it may have run",
                )
            elif any(broker.epoch for broker in self.brokers):
                self._fail(
                    call, "deadline_exceeded", "the time was up before the call could be sent"
                )
            else:
                self._fail(call, "unavailable", why_waiting())
        due = [call.deadline for call in self._waiting]
        for broker in self.brokers:
            for call in [c for c in broker.sent.values() if c.deadline + GRACE_S <= now]:
                self.brokers.failed(broker, now)
                self._tell_cancelled(call)
                self._fail(
                    call,
                    "deadline_exceeded",
                    "the time was up, and the broker said nothing: it is stopped or cut off; the call may have run",
                )
            due += [call.deadline + GRACE_S for call in broker.sent.values()]
        self._due = min(due, default=NO_DEADLINE)

    def next_deadline(self) -> float | None:
        """When tick() has something to do, or a little before."""
        due = min(self._due, self.brokers.due())
        return None if due == NO_DEADLINE else due

    # --- what is to be sent --------------------------------------------------------------------------------

    def next_message(self, now: float) -> Message | None:
        """What waits, bundled; the owner says sent(message) when the transport has taken it, else that its broker is full."""
        for broker in self.brokers:
            if (message := broker.next_control()) is not None:
                return message
        while self._waiting:
            chosen = self.brokers.choose(now, self._waiting[0].tried)
            if chosen is None:
                return None
            if (message := self._bundle(chosen, now)) is not None:
                return message
        return None

    def _bundle(self, broker: Broker, now: float) -> Message | None:
        calls: list[Call] = []
        size = 0
        buffers = 0
        for call in tuple(itertools.islice(self._waiting, self.brokers.share(len(self._waiting)))):
            if calls and broker in call.tried:
                break
            if call.size + _HEAD_BYTES > broker.max_body:
                self._fail(
                    call,
                    "too_large",
                    f"the call has {call.size} bytes, more than the {broker.max_body} of a message",
                )
                continue
            size += call.size
            buffers += len(call.buffers)
            if calls and (size > _BUNDLE_BYTES or buffers > MAX_ATTACHMENTS):
                break
            call.sent_at = now
            calls.append(call)
        if not calls:
            return None
        frames = request_frames(
            broker.epoch,
            int(now * 1e6) if broker.same_clock else 0,
            [(call.head(now), call.tail) for call in calls],
        )
        return Message(broker, frames + [each for call in calls for each in call.buffers], calls)

    def sent(self, message: Message) -> None:
        broker = message.broker
        if not message.calls:
            return broker.said(message)
        for call in message.calls:
            self._waiting.popleft()
            call.attempt += 1
            call.broker = broker
            if call.options.timeout is None:
                call.deadline = NO_DEADLINE  # the broker's
            broker.sent[call.id] = call

    # --- ends --------------------------------------------------------------------------------------------

    def _tell_cancelled(self, call: Call) -> None:
        if call.broker is not None:
            call.broker.cancels.append(call.id)

    def _error(self, call: Call, code: str, value: dict[Any, Any]) -> Error:
        endpoint = call.broker.endpoint if call.broker else self.endpoint
        return Error(code, value, call.method, endpoint, call.options.idempotent)

    def _fail(self, call: Call, code: str, why: str) -> None:
        self._end(call, error=self._error(call, code, {"message": why, "where": "client"}))

    def _end(self, call: Call, reply: Reply | None = None, error: Error | None = None) -> None:
        if call.broker is not None:
            del call.broker.sent[call.id]
            call.broker = None
        elif call.id:
            self._waiting.remove(call)
        call.reply, call.error, call.done = reply, error, True
        call.buffers = []
        self.news.append(call)


def bytes_of(frame: Frame) -> bytes:
    data: bytes = frame if type(frame) is bytes else frame.bytes
    return data
