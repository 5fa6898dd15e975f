"""Inputs to begin with: `seeds.py TARGET DIRECTORY` writes them, made of proto/vectors and examples/.

What a byte means is said by tests/fuzz/TARGET.cpp.
"""

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack

ROOT = Path(__file__).resolve().parents[2]


def vectors() -> Iterator[tuple[bytes, int]]:
    """Each frame that is small, and how many attachments follow it."""
    for path in sorted((ROOT / "proto/vectors").glob("*.json")):
        for vector in json.loads(path.read_text()):
            frame = bytes.fromhex(vector["hex"])
            if len(frame) <= 4000:
                yield frame, vector["attachments"]


def codec() -> Iterator[bytes]:
    for frame, attachments in vectors():
        yield bytes([attachments]) + frame


def core() -> Iterator[bytes]:
    ready = bytes(
        [18, 1, 0, 0x40, 0x34, 0, 1, 1, 0, 0x0F, 0, 8, 0, 1]
    )  # all greet, a worker, a pool
    for frame, attachments in vectors():
        if attachments > 7:
            continue
        for peer in (0, 3, 7):
            raw = bytes([13, peer, 1 | attachments << 5, *divmod(len(frame), 256)]) + frame
            yield ready + raw


def session() -> Iterator[bytes]:
    two_calls = [2, 0, 0, 0, 2, 0, 4, 0, 4]  # which are sent
    one = bytes([0, 7, 0, 0, *two_calls])  # a broker, which is ready
    two = bytes([1, 7, 0, 0, 7, 1, 0, *two_calls])
    for frame, attachments in vectors():
        if attachments <= 7:
            raw = bytes([16, 0, 1 | attachments << 5, *divmod(len(frame), 256)]) + frame
            yield one + raw
            yield two + raw


def config() -> Iterator[bytes]:
    for path in sorted((ROOT / "examples").rglob("samovard.toml")):
        yield path.read_bytes()
    for text in (
        'frontend = ["tcp://127.0.0.1:1", "ipc:///a"]\nbackend = "tcp://*:2"\ninsecure = true\ncpus = [0, 1]\n',
        '[log]\nlevel = "info"\nformat = "json"\n[deadlines]\ndefault_timeout_ms = 1\n[limits]\nmax_body = 0x400\n',
        '[[service]]\nname = "a"\nlines = """cat\n"""\nworkers = 2\ndirectory = \'.\'\narguments = ["-v"]\n',
        '[[service]]\nname = "a"\nexpose = "m:f,g"\n[[service]]\nname = "b.c"\napp = "m:o"\n',
        "a.b.c = {d = 1979-05-27T07:32:00Z, e = [1.5e3, inf, -0b10, 0o7, true]}\n# \u00e9\n",
        'state_directory = "\\u00e9\\n"\nworker_command = "w"\nunknown = 1\n',
    ):
        yield text.encode()


def value() -> Iterator[bytes]:
    for frame, _ in vectors():
        yield b"\x02" + frame


def schema() -> Iterator[bytes]:
    parts: list[Any] = [
        {"type": "integer"},
        {"type": "number"},
        {"anyOf": [{"type": "string"}, {"type": "null"}]},
        {"enum": ["a", 1, None, True]},
        {"type": "array", "items": {"type": "string"}},
        {"type": "array", "prefixItems": [{"type": "integer"}], "items": False},
        {"type": "object", "additionalProperties": {}, "x-samovar-keys": {"type": "integer"}},
        {"type": "array", "x-samovar-array": "f8"},
        {"$ref": "#/$defs/N"},
        {},
    ]
    node = {
        "type": "object",
        "properties": {"n": {"$ref": "#/$defs/N"}, "x": {}},
        "required": ["x"],
    }
    packed = []
    for index, part in enumerate(parts):
        parameter = {"name": "p", "required": index % 2 == 0, "schema": part}
        methods = {"a": {"parameters": [parameter], "result": part, "kwargs": {}}}
        packed.append(msgpack.packb({"methods": methods, "$defs": {"N": node}}))
    for mine in packed:
        for their in packed:
            yield len(mine).to_bytes(2, "big") + mine + len(their).to_bytes(2, "big") + their


def order() -> Iterator[bytes]:
    text, number = {"type": "string"}, {"type": "number"}
    moment = {**text, "format": "date-time"}
    data = {**text, "contentEncoding": "base64"}
    node = {
        "type": "object",
        "properties": {"d": data, "n": {"$ref": "#/$defs/N"}},
        "required": ["d"],
    }
    chosen = {
        "anyOf": [{"$ref": "#/$defs/N"}, {"type": "array", "items": moment}, data, {"type": "null"}]
    }
    bodies = (
        ["AP8Q", "2024-02-29T12:30:15.25+01:00", {"$bytes": "AP8Q"}, 2**63, -0.5, None, "\u8336"],
        [{"d": "AP8Q", "n": {"d": "AA=="}}, [1, "x"]],
        {"p": ["2024-02-29T12:30:15Z"], "other": {"$timestamp": "2024-02-29T12:30:15Z"}},
        [[[[]]], {}],
    )
    for shape in (text, number, moment, data, node, chosen, {"type": "array", "items": node}, {}):
        parameters = [
            {"name": "p", "required": True, "schema": shape},
            {"name": "k", "keyword_only": True, "schema": data},
        ]
        method = {"parameters": parameters, "args": moment, "kwargs": data, "result": shape}
        document = json.dumps({"methods": {"m": method}, "$defs": {"N": node}}).encode()
        for number_of_body, body in enumerate(bodies):
            said = json.dumps(body).encode()
            choice = number_of_body * 5 & 15
            yield bytes([choice]) + len(document).to_bytes(2, "big") + document + said
    for header in (b"500ms", b"1e300h", b"0.0000001us", b"false", b"urgent", b"[::1]:7780", b"[0]"):
        yield b"\xff\0\0" + header


def main(target: str, directory: str) -> None:
    Path(directory).mkdir(parents=True, exist_ok=True)
    for seed in globals()[target]():
        Path(directory, hashlib.sha1(seed).hexdigest()).write_bytes(seed)


if __name__ == "__main__":
    main(*sys.argv[1:])
