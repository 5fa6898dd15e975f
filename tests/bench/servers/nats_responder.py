"""A NATS responder over a plain socket: Debian has no Python client. Usage: nats_responder.py PORT

It answers all requests of one read in one write, which is its better mode at any load.
"""

import socket
import sys

import msgpack
from table import TABLE

unpack = msgpack.unpackb
pack = msgpack.Packer().pack

peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
peer.sendall(b'CONNECT {"verbose":false,"pedantic":false}\r\nSUB bench 1\r\nPING\r\n')

data = b""
while True:
    chunk = peer.recv(1 << 18)
    if not chunk:
        break
    data += chunk
    at = 0
    replies = []
    while (end := data.find(b"\r\n", at)) >= 0:
        if data.startswith(b"MSG ", at):  # MSG subject sid reply-to size
            words = data[at:end].split()
            body_end = end + 2 + int(words[-1])
            if len(data) < body_end + 2:
                break
            answer = pack(TABLE[unpack(data[end + 2 : body_end])["ip"]])
            replies.append(b"PUB %b %d\r\n%b\r\n" % (words[3], len(answer), answer))
            at = body_end + 2
            continue
        if data.startswith(b"PING", at):
            replies.append(b"PONG\r\n")
        elif data.startswith(b"PONG", at):
            print("ready", flush=True)
        at = end + 2
    data = data[at:]
    if replies:
        peer.sendall(b"".join(replies))
