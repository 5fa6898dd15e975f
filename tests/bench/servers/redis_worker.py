"""A worker of Redis lists. Usage: redis_worker.py SOCKET batch|plain

A request is 8 bytes of an id and a body, the reply to it is the id and the answer. plain takes one at a time; batch
takes all that is there, and pushes all answers by one command.
"""

import sys

import msgpack
import redis
from table import TABLE

unpack = msgpack.unpackb
pack = msgpack.Packer().pack
server = redis.Redis(unix_socket_path=sys.argv[1])
print("ready", flush=True)

while sys.argv[2] == "plain":
    _, request = server.brpop("requests")
    server.lpush("replies", request[:8] + msgpack.packb(TABLE[msgpack.unpackb(request[8:])["ip"]]))
while True:
    _, requests = server.execute_command("BLMPOP", 0, 1, "requests", "RIGHT", "COUNT", 256)
    server.lpush("replies", *[each[:8] + pack(TABLE[unpack(each[8:])["ip"]]) for each in requests])
