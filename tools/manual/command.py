"""A command as manual pages and completions see it."""

import argparse
import importlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest import mock


@dataclass
class Option:
    names: list[str]
    about: str
    value: str = ""  # FILE, SERVICE.METHOD, ...; none: a flag
    choices: list[str] = field(default_factory=list)
    default: str = ""
    environment: str = ""
    group: str = "Options"


@dataclass
class Argument:
    name: str
    about: str
    value: str = ""
    choices: list[str] = field(default_factory=list)
    default: str = ""
    environment: str = ""
    required: bool = False
    repeats: bool = False


@dataclass
class Command:
    name: str  # "samovar", and "samovar call" below it
    about: str
    footer: str
    options: list[Option]
    arguments: list[Argument]
    commands: list["Command"]
    takes_options_above: bool = False
    has_page: bool = True

    @property
    def word(self) -> str:
        """The last word of its name, which is what is typed."""
        return self.name.rpartition(" ")[2]

    @property
    def path(self) -> str:
        """The words after the program's."""
        return self.name.partition(" ")[2]

    def all(self) -> Iterator["Command"]:
        yield self
        for command in self.commands:
            yield from command.all()

    def inherit(self, options: list[Option]) -> None:
        """What can be said before a command can, with some programs, be said after it as well."""
        known = {name for option in self.options for name in option.names}
        if self.takes_options_above:
            self.options += [each for each in options if not known.intersection(each.names)]
        for command in self.commands:
            command.inherit(self.options)


def _from_json(said: dict[str, Any], above: str = "") -> Command:
    name = f"{above} {said['name']}".strip()
    return Command(
        name,
        said["about"],
        said["footer"].strip(),
        [Option(**each) for each in said["options"]],
        [Argument(**each) for each in said["arguments"]],
        [_from_json(each, name) for each in said["commands"]],
        said["takes_options_of_commands_above"],
    )


def of_program(program: str) -> Command:
    """Asks a program of ours in C++."""
    run = subprocess.run([program, "--describe"], check=True, capture_output=True, text=True)
    return _from_json(json.loads(run.stdout))


class _Parser(Exception):
    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser = parser


def of_script(name: str, target: str) -> Command:
    """Of a console script MODULE:FUNCTION: the parser that its function parses its arguments with."""
    module, _, function = target.partition(":")

    def caught(parser: argparse.ArgumentParser, *_: Any, **__: Any) -> Any:
        raise _Parser(parser)

    try:
        with mock.patch.object(argparse.ArgumentParser, "parse_known_args", caught):
            getattr(importlib.import_module(module), function)()
    except _Parser as found:
        return _from_parser(found.parser, name)
    raise ValueError(f"{target} ({name}) parses no arguments with argparse")


def _from_parser(parser: argparse.ArgumentParser, name: str, about: str = "") -> Command:
    about = parser.description or about
    command = Command(name, about.strip(), (parser.epilog or "").strip(), [], [], [])
    for group in parser._action_groups:
        for action in group._group_actions:
            _add(command, parser, action, (group.title or "options").capitalize())
    return command


def _add(
    command: Command, parser: argparse.ArgumentParser, action: argparse.Action, group: str
) -> None:
    if isinstance(action, argparse._SubParsersAction):
        about = {each.dest: each.help or "" for each in action._choices_actions}
        for word, below in action.choices.items():
            command.commands.append(
                _from_parser(below, f"{command.name} {word}", about.get(word, ""))
            )
        return
    if action.help == argparse.SUPPRESS:
        return
    text = parser._get_formatter()._expand_help(action) if action.help else ""
    choices = [str(each) for each in action.choices or ()]
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    if not action.option_strings:
        repeats, required = action.nargs in ("*", "+"), action.nargs not in ("*", "?")
        command.arguments.append(
            Argument(metavar, text, metavar, choices, required=required, repeats=repeats)
        )
        return
    value = "" if action.nargs == 0 else metavar
    command.options.append(Option(list(action.option_strings), text, value, choices, group=group))
