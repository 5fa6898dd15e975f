"""A pyzmq worker as people write it. Usage: zmq_plain.py ENDPOINT [--bind] [--echo]"""

import sys

import msgpack
import zmq
from table import TABLE

context = zmq.Context()
if "--bind" in sys.argv:  # no broker: the client connects here
    socket = context.socket(zmq.ROUTER)
    socket.set_hwm(0)
    socket.bind(sys.argv[1])
else:
    socket = context.socket(zmq.DEALER)
    socket.set_hwm(0)
    socket.connect(sys.argv[1])
print("ready", flush=True)

while "--echo" in sys.argv:
    socket.send_multipart(socket.recv_multipart())
while True:
    client, call, body = socket.recv_multipart()
    request = msgpack.unpackb(body)
    socket.send_multipart([client, call, msgpack.packb(TABLE[request["ip"]])])
