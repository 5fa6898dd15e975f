"""What earlier builds sent is understood by this one.

tests/proto/earlier_frames.json has the golden frames of protocol version 1 as it was first written down. They are frozen: a
frame that has to be changed there is a peer that can no longer talk to this build. That both codecs read them is in
tests/fuzz/test_codecs_agree.py.
"""

import json
import struct
from pathlib import Path

import pytest

from e2e.processes import Broker
from e2e.raw import Peer

FRAMES = json.loads((Path(__file__).parents[1] / "proto/earlier_frames.json").read_text())
SENT_BY = {
    "client": ("request", "cancel"),
    "worker": ("ready", "reply", "drain"),
    "supervisor": ("pool", "obituary"),
}


def frames_of(*kinds: str) -> list[tuple[bytes, int]]:
    return [(bytes.fromhex(f["hex"]), f["attachments"]) for f in FRAMES if f["kind"] in kinds]


def under(epoch: int, frame: bytes) -> bytes:
    """The same bytes, of another connection: its epoch stands behind version and kind."""
    width = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
    at = {0xDC: 3, 0xDD: 5}.get(frame[0], 1)
    for _ in ("version", "kind"):
        at += 1 + width.get(frame[at], 0)
    rest = frame[at + 1 + width.get(frame[at], 0) :]
    return frame[:at] + struct.pack(">BQ", 0xCF, epoch) + rest


def peer(broker: Broker, role: str) -> Peer:
    if role == "client":
        return broker.client()
    return broker.worker() if role == "worker" else broker.supervisor()


@pytest.mark.parametrize("role", SENT_BY)
def test_the_broker_takes_what_earlier_peers_sent(broker: Broker, role: str) -> None:
    frames = frames_of(*SENT_BY[role])
    assert frames
    others = [peer(broker, role) for _ in frames]
    for other, (frame, attachments) in zip(others, frames, strict=True):
        if role == "worker" and (frame, attachments) not in frames_of("ready"):
            other.ready("tea", "brew")
        other.send_frames(under(other.epoch, frame), *[b"attached"] * attachments)
        other.send_frames(b"")  # is an error, and comes behind it
    errors = broker.wait_for_counter("protocol_errors", len(frames))
    assert (errors, broker.counter("stale_epochs")) == (len(frames), 0)


def test_the_broker_answers_the_hello_of_earlier_peers(broker: Broker) -> None:
    for frame, _ in frames_of("hello"):
        other = broker.client(say_hello=False)
        if b"client" not in frame:
            other = broker.worker(say_hello=False)
        other.send_frames(frame)
        assert other.expect(1).epoch > 0
