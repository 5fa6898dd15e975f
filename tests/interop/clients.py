"""What asks a cell of the table: one class for each client, all with the same answer.

An answer is a dict: `value` and `replies` (attachments), or `items` of a stream; `code`, `where` and `type` of an error.
"""

import asyncio
import base64
import datetime
import http.client
import json
import math
import os
import re
import subprocess
import threading
from pathlib import Path
from typing import Any

import numpy

import samovar
import samovar.aio
from e2e.processes import BIN, ROOT, SAMOVAR, Broker, Scene
from e2e.raw import CAP_S

Cell = dict[str, Any]
Answer = dict[str, Any]
HERE = Path(__file__).parent
NODE_CLIENT = ROOT / "node_client/dist/index.mjs"


def given(value: Any) -> Any:
    """What Python calls that which the table writes."""
    if isinstance(value, list):
        return [given(each) for each in value]
    if not isinstance(value, dict):
        return value
    if "$float" in value:
        return math.nan
    if "$bytes" in value:
        return base64.b64decode(value["$bytes"])
    if "$timestamp" in value:
        return datetime.datetime.fromisoformat(value["$timestamp"])
    if "$array" in value:
        shape, elements = value["$array"]
        return numpy.array(elements, dtype=numpy.float64).reshape(shape)
    return {key: given(each) for key, each in value.items()}


def said(value: Any) -> Any:
    """The reverse."""
    if isinstance(value, bytes | bytearray | memoryview):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, datetime.datetime):
        return {"$timestamp": value.isoformat()}
    if isinstance(value, numpy.ndarray):
        return {"$array": [list(value.shape), value.ravel().tolist()]}
    if isinstance(value, list):
        return [said(each) for each in value]
    if isinstance(value, dict):
        return {key: said(each) for key, each in value.items()}
    return value


def arguments(cell: Cell) -> list[Any]:
    return ["x" * cell["big"]] if "big" in cell else list(given(cell.get("args", [])))


def failure(error: samovar.Error) -> Answer:
    return {"code": error.code, "where": error.where, "type": error.type}


def texts(reply: Any) -> list[str]:
    """Its attachments, which are text but for those of arrays."""
    return [bytes(each).decode(errors="replace") for each in reply.attachments]


class Asker:
    """One client. `go` is a file: when it is there, the call is to be cancelled."""

    def __init__(self, scene: Scene, broker: Broker) -> None:
        self.scene = scene
        self.broker = broker

    def ask(self, cell: Cell, go: Path | None) -> Answer:
        raise NotImplementedError


class PythonThreads(Asker):
    def ask(self, cell: Cell, go: Path | None) -> Answer:
        with samovar.Client(self.broker.frontend) as client:
            caller = client.options(**options(cell))
            try:
                if cell.get("stream"):
                    return self._read(caller, cell)
                call = caller.begin(
                    cell["method"],
                    arguments(cell),
                    given(cell.get("kwargs", {})),
                    [each.encode() for each in cell.get("attachments", [])],
                )
                if go:
                    wait_for(go, call.done)
                    call.cancel()
                reply = call.reply()
            except samovar.Error as error:
                return failure(error)
            replies = texts(reply)
            return {"value": said(reply.value), "replies": replies}

    @staticmethod
    def _read(caller: Any, cell: Cell) -> Answer:
        items: list[Any] = []
        try:
            with caller.stream(cell["method"], *arguments(cell)) as stream:
                for item in stream:
                    items.append(said(item))
                    if len(items) == cell.get("take"):
                        break
        except samovar.Error as error:
            return {"items": items, **failure(error)}
        return {"items": items}


class PythonAsyncio(Asker):
    def ask(self, cell: Cell, go: Path | None) -> Answer:
        return asyncio.run(asyncio.wait_for(self._ask(cell, go), CAP_S))

    async def _ask(self, cell: Cell, go: Path | None) -> Answer:
        items: list[Any] = []
        async with samovar.aio.Client(self.broker.frontend) as client:
            caller = client.options(**options(cell))
            try:
                if cell.get("stream"):
                    stream = caller.stream(cell["method"], *arguments(cell))
                    try:
                        async for item in stream:
                            items.append(said(item))
                            if len(items) == cell.get("take"):
                                break
                    finally:
                        await stream.aclose()
                    return {"items": items}
                task = asyncio.ensure_future(
                    caller.request(
                        cell["method"],
                        arguments(cell),
                        given(cell.get("kwargs", {})),
                        [each.encode() for each in cell.get("attachments", [])],
                    )
                )
                if go:
                    while not go.exists() and not task.done():
                        await asyncio.sleep(0.005)
                    task.cancel()
                reply = await task
            except samovar.Error as error:
                return {**({"items": items} if cell.get("stream") else {}), **failure(error)}
            except asyncio.CancelledError:  # as asyncio says it
                return {"code": "cancelled", "where": "client", "type": ""}
            replies = texts(reply)
            return {"value": said(reply.value), "replies": replies}


def options(cell: Cell) -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    if "timeout_ms" in cell:
        chosen["timeout"] = cell["timeout_ms"] / 1000
    if "window" in cell:
        chosen["window"] = cell["window"]
    return chosen


def wait_for(go: Path, over: Any) -> None:
    pause = threading.Event()
    while not go.exists() and not over():
        pause.wait(0.005)


class Driver(Asker):
    """A program that gets the cell as JSON, in a file's name's place if it is large."""

    command: list[Any] = []

    def ask(self, cell: Cell, go: Path | None) -> Answer:
        done = self.run(
            [*self.command, self.broker.frontend, json.dumps(cell), *([go] if go else [])]
        )
        assert done.returncode == 0 and done.stdout, done.stderr
        answer = json.loads(done.stdout)
        assert isinstance(answer, dict)
        return answer

    def run(self, command: list[Any]) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(each) for each in command],
            env=self.scene.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=CAP_S,
            check=False,
        )


class Cpp(Driver):
    command = [BIN / "samovar-interop"]


class Node(Driver):
    command = ["node", HERE / "driver.mjs", NODE_CLIENT]


class CommandLine(Driver):
    """`samovar call`; the word of its message is the code, and its exit code has to agree."""

    def ask(self, cell: Cell, go: Path | None) -> Answer:
        command = [SAMOVAR, "--endpoint", self.broker.frontend]
        if "timeout_ms" in cell:
            command += ["--timeout", f"{cell['timeout_ms']}ms"]
        command += ["call", *(["--stream"] if cell.get("stream") else [])]
        for name, value in cell.get("kwargs", {}).items():
            command += ["--kw", f"{name}={json.dumps(value)}"]
        command += [cell["method"], *(json.dumps(each) for each in cell.get("args", []))]
        if go or "take" in cell:
            return self._interrupt(command, cell, go)
        done = self.run(command)
        return self._answer(cell, done.stdout, done.stderr, done.returncode)

    def _interrupt(self, command: list[Any], cell: Cell, go: Path | None) -> Answer:
        program = self.scene.run(*command, name="samovar")
        if go:
            wait_for(go, lambda: not program.is_running())
        else:
            program.wait_for_line(f"(.*\n){{{cell['take']}}}")
        program.process.send_signal(2)
        code = program.exit_code()
        lines = program.log().splitlines()
        if cell.get("stream"):
            return {"items": [json.loads(each) for each in lines[: cell["take"]]]}
        return self._answer(cell, "", program.log(), code)

    @staticmethod
    def _answer(cell: Cell, stdout: str, stderr: str, exit_code: int) -> Answer:
        lines = [json.loads(line) for line in stdout.splitlines()]
        answer: Answer = {"items": lines} if cell.get("stream") else {}
        if exit_code == 0:
            return answer if cell.get("stream") else {"value": lines[0]}
        code = re.search(r"^(\w+): ", stderr, re.MULTILINE)
        assert code, stderr
        raised = re.search(r"\braised (\w+)", stderr)
        return {**answer, "code": code[1], "type": raised[1] if raised else ""}


class Http(Asker):
    def ask(self, cell: Cell, go: Path | None) -> Answer:
        found = re.search(r"http http://([^:\s]+):(\d+)", self.broker.log())
        assert found
        connection = http.client.HTTPConnection(found[1], int(found[2]), timeout=CAP_S)
        headers = {"Content-Type": "application/json"}
        if "timeout_ms" in cell:
            headers["Samovar-Timeout"] = f"{cell['timeout_ms']}ms"
        body: Any = cell.get("args", [])
        if "big" in cell:
            body = ["x" * cell["big"]]
        if "kwargs" in cell:  # all by name
            body = {**dict(zip(["a"], body)), **cell["kwargs"]}
        kind = "stream" if cell.get("stream") else "call"
        try:
            connection.request("POST", f"/v1/{kind}/{cell['method']}", json.dumps(body), headers)
            response = connection.getresponse()
            if "event-stream" in (response.headers["Content-Type"] or ""):
                return self._events(response, cell)
            content = json.loads(response.read())
        finally:
            connection.close()
        if response.status == 200:
            return {"value": content}
        answer = {"code": content["code"], "where": content.get("where", "")}
        answer["type"] = content.get("exception", "")
        return {**({"items": []} if cell.get("stream") else {}), **answer}

    @staticmethod
    def _events(response: http.client.HTTPResponse, cell: Cell) -> Answer:
        items: list[Any] = []
        event = "message"
        for line in response:
            text = line.decode().rstrip("\n")
            if text.startswith("event: "):
                event = text.removeprefix("event: ")
            if not text.startswith("data: "):
                if not text and event == "end":
                    break
                continue
            data = json.loads(text.removeprefix("data: "))
            if event == "error":
                return {"items": items, "code": data["code"], "type": data.get("exception", "")}
            if event == "end":
                break
            items.append(data)
            if len(items) == cell.get("take"):
                break
        return {"items": items}


CLIENTS: dict[str, type[Asker]] = {
    "cpp": Cpp,
    "python": PythonThreads,
    "asyncio": PythonAsyncio,
    "node": Node,
    "http": Http,
    "cli": CommandLine,
}
