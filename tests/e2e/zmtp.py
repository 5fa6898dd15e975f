"""Just enough ZMTP 3.1 for peers that are not libzmq: what a plain socket says to be taken for a DEALER."""

import socket
import struct

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)


def ready(identity: bytes = b"", socket_type: bytes = b"DEALER") -> bytes:
    """The command that ends a handshake."""
    body = b"\x05READY"
    for name, value in ((b"Socket-Type", socket_type), (b"Identity", identity)):
        body += bytes([len(name)]) + name + struct.pack(">I", len(value)) + value
    return bytes([4, len(body)]) + body


def frame(body: bytes) -> bytes:
    """A message of one frame."""
    size = bytes([0, len(body)]) if len(body) < 256 else b"\x02" + struct.pack(">Q", len(body))
    return size + body


def tcp_connection(endpoint: str) -> socket.socket:
    host, port = endpoint.removeprefix("tcp://").rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=20)


def is_closed(connection: socket.socket) -> bool:
    """By the other side. What it had said before is read and forgotten."""
    connection.setblocking(False)
    try:
        while connection.recv(4096):
            pass
        return True
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True
