"""The command line: samovar stubgen."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from samovar import __version__
from samovar.app import AppError, load_service
from samovar.errors import Error
from samovar.schema import Complaint, describe
from samovar.stubgen.cpp import CppStub
from samovar.stubgen.typescript import TypeScriptStub

_EPILOG = """examples:
  samovar stubgen examples.ipgeo:service --cpp ipgeo.hpp
  samovar stubgen ipgeo --endpoint tcp://127.0.0.1:7711 --ts ipgeo.d.ts
  samovar stubgen schema.json --cpp ipgeo.hpp --check

exit codes: 0; 1: hints that cannot be expressed, or with --check a file that would change; 2: wrong usage, no such app."""


class UsageError(Exception):
    """The text is one sentence."""


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="samovar stubgen",
        description="Makes typed stubs for callers out of the type hints of a service.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="MODULE:OBJECT, as for samovar-worker; a file of --json; with --endpoint, the name of a service that runs",
    )
    parser.add_argument("--cpp", metavar="FILE", help="write a C++ header")
    parser.add_argument("--ts", metavar="FILE", help="write types for the Node client (.d.ts)")
    parser.add_argument("--json", metavar="FILE", help="write the schema")
    parser.add_argument(
        "--name", help="the name under which the service is announced (default: its own)"
    )
    parser.add_argument("--namespace", help="of the C++ stub (default: the service's name)")
    parser.add_argument(
        "--endpoint", help="ask the broker here for the schema that its workers announced"
    )
    parser.add_argument(
        "--key", metavar="FILE", help="with --endpoint: this client's key (samovar keygen)"
    )
    parser.add_argument(
        "--broker-key", metavar="FILE", help="with --endpoint: the broker's public key"
    )
    parser.add_argument(
        "--allow-any",
        action="store_true",
        help="take what cannot be expressed as anything, and only say so",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; exit code 1 if a file would change",
    )
    version = f"samovar-stubgen {__version__}"
    parser.add_argument("--version", action="version", version=version)
    return parser


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        return _run(options)
    except (UsageError, AppError, Error, OSError, ValueError) as error:
        print(f"samovar stubgen: {error}", file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    complaints: list[Complaint] = []
    document = _schema(options, complaints)
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    if complaints and not options.allow_any:
        print(
            f"samovar stubgen: {_count(len(complaints), 'hint')} cannot be expressed; change them, or say --allow-any",
            file=sys.stderr,
        )
        return 1
    wanted: dict[str, str] = {}
    if options.cpp is not None:
        wanted[options.cpp] = CppStub(document, options.namespace).text()
    if options.ts is not None:
        wanted[options.ts] = TypeScriptStub(document).text()
    if options.json is not None:
        wanted[options.json] = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    if not wanted:
        raise UsageError("say what to write: --cpp FILE, --ts FILE, --json FILE (- is stdout)")
    return _check(wanted) if options.check else _write(wanted)


def _schema(options: argparse.Namespace, complaints: list[Complaint]) -> dict[str, Any]:
    if options.endpoint is not None:
        return _ask(options)
    if options.source.endswith(".json"):
        return _checked(json.loads(Path(options.source).read_text()), options.source)
    service, name = load_service(options.source, options.name)
    return describe(service, name, complaints)


def _ask(options: argparse.Namespace) -> dict[str, Any]:
    from samovar.client import Client

    with Client(
        options.endpoint, name="stubgen", key_file=options.key, broker_key_file=options.broker_key
    ) as client:
        document = client.call("samovar.schema", options.source)
    if document is None:
        raise UsageError(
            f"the workers of {options.source!r} have announced no schema: "
            "they are older, or it has more than 128 KiB; name the app, as in MODULE:OBJECT"
        )
    return _checked(document, options.endpoint)


def _checked(document: Any, source: str) -> dict[str, Any]:
    if not isinstance(document, dict) or document.get("samovar_schema") != 1:
        raise UsageError(f"{source} gives no schema of version 1")
    return document


def _check(wanted: dict[str, str]) -> int:
    changed = [
        file
        for file, text in wanted.items()
        if not Path(file).exists() or Path(file).read_text() != text
    ]
    for file in changed:
        print(f"{file} is not up to date: run this without --check", file=sys.stderr)
    return 1 if changed else 0


def _write(wanted: dict[str, str]) -> int:
    for file, text in wanted.items():
        if file == "-":
            sys.stdout.write(text)
            continue
        path = Path(file)
        if path.exists() and path.read_text() == text:
            continue  # make looks at times: what did not change is not compiled again
        whole = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            whole.write_text(text)
            whole.replace(path)
        finally:
            whole.unlink(missing_ok=True)
    return 0


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


if __name__ == "__main__":
    sys.exit(main())
