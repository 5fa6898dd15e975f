"""A gRPC server with threads. Usage: grpc_sync.py ADDRESS. The bodies are msgpack: no protobuf to pay for."""

import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
import msgpack
from table import TABLE


def lookup(request: bytes, _context: grpc.ServicerContext) -> bytes:
    return msgpack.packb(TABLE[msgpack.unpackb(request)["ip"]])


server = grpc.server(ThreadPoolExecutor(max_workers=4))
handlers = {"lookup": grpc.unary_unary_rpc_method_handler(lookup)}
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Bench", handlers),))
server.add_insecure_port(sys.argv[1])
server.start()
print("ready", flush=True)
server.wait_for_termination()
