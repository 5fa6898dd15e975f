"""A gRPC server on asyncio. Usage: grpc_aio.py ADDRESS. The bodies are msgpack: no protobuf to pay for."""

import asyncio
import sys

import grpc
import grpc.aio
import msgpack
from table import TABLE

pack = msgpack.Packer().pack


async def lookup(request: bytes, _context: grpc.aio.ServicerContext) -> bytes:
    return pack(TABLE[msgpack.unpackb(request)["ip"]])


async def main() -> None:
    server = grpc.aio.server()
    handlers = {"lookup": grpc.unary_unary_rpc_method_handler(lookup)}
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("bench.Bench", handlers),)
    )
    server.add_insecure_port(sys.argv[1])
    await server.start()
    print("ready", flush=True)
    await server.wait_for_termination()


asyncio.run(main())
