"""A TCP proxy that cuts and stalls what goes through it."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any


class Proxy:
    """Leads from `endpoint` to `target` (both tcp://HOST:PORT), in a thread of its own, until close()."""

    def __init__(self, target: str) -> None:
        self._host, port = target.removeprefix("tcp://").rsplit(":", 1)
        self._port = int(port)
        self._links: set[asyncio.StreamWriter] = set()
        self._stalls = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")
        self._thread.start()
        listening = asyncio.run_coroutine_threadsafe(self._listen(), self._loop)
        self.endpoint = f"tcp://127.0.0.1:{listening.result()}"

    def cut(self) -> None:
        """Ends every connection at once."""
        self._do(lambda: [link.transport.abort() for link in self._links])

    def stall(self, seconds: float) -> None:
        """Nothing goes through for so long, and nothing is lost by it. Returns at once."""

        def begin() -> None:
            self._stalls += 1
            self._open.clear()
            self._loop.call_later(seconds, end)

        def end() -> None:
            self._stalls -= 1
            if not self._stalls:
                self._open.set()

        self._do(begin)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, what: Callable[[], Any]) -> None:
        self._loop.call_soon_threadsafe(what)

    async def _listen(self) -> int:
        self._open = asyncio.Event()
        self._open.set()
        self._server = await asyncio.start_server(self._lead, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def _close(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = [writer]
        try:
            await self._open.wait()
            far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
            ends.append(far_writer)
            self._links.update(ends)
            pumps = [self._pump(reader, far_writer), self._pump(far_reader, writer)]
            tasks = [asyncio.ensure_future(pump) for pump in pumps]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
        except (OSError, asyncio.CancelledError):
            pass  # nobody listens there now; or this is the end
        finally:
            self._links.difference_update(ends)
            for end in ends:
                end.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
