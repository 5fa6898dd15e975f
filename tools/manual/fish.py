"""A completion for fish."""

from tools.manual.command import Argument, Command, Option
from tools.manual.values import DIRECTORIES, FILES, RUNNING


def _quoted(text: str) -> str:
    return "'" + " ".join(text.split()).replace("\\", "\\\\").replace("'", "\\'") + "'"


def _offers(each: Option | Argument) -> str:
    """What may stand there, for complete -a."""
    if each.choices:
        return f" -a {_quoted(' '.join(each.choices))}"
    if each.value in DIRECTORIES:
        return " -a '(__fish_complete_directories)'"
    if each.value in RUNNING:
        return f" -a '(command -q samovar; and samovar names {RUNNING[each.value]} 2>/dev/null)'"
    return ""


def _option(option: Option) -> str:
    text = ""
    for name in option.names:
        text += f" -l {name[2:]}" if name.startswith("--") else f" -s {name[1:]}"
    if option.value:
        text += " -r" + (" -F" if option.value in FILES else " -f")
    return f"{text}{_offers(option)} -d {_quoted(option.about)}"


def completion(program: Command) -> str:
    """Options of a command are offered after its word, those of the program everywhere."""
    lines = [f"# fish completion for {program.name}, made from its options."]
    lines.append(f"complete -c {program.name} -f")
    words = " ".join(each.word for each in program.commands)
    for below in program.commands:
        lines.append(
            f"complete -c {program.name} -n 'not __fish_seen_subcommand_from {words}' "
            f"-a {below.word} -d {_quoted(below.about)}"
        )
    for command in program.all():
        where = f" -n '__fish_seen_subcommand_from {command.word}'" if command.path else ""
        inherited = (
            [] if command is program else [name for o in program.options for name in o.names]
        )
        for option in command.options:
            if option.names[0] not in inherited:
                lines.append(f"complete -c {program.name}{where}{_option(option)}")
        for argument in command.arguments:
            if offers := _offers(argument):
                lines.append(f"complete -c {program.name}{where}{offers}")
            elif argument.value in FILES:
                lines.append(f"complete -c {program.name}{where} -F")
    return "\n".join(lines) + "\n"
