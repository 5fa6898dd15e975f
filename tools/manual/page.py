"""Manual pages, in roff with the macros of man(7)."""

from collections.abc import Iterable

from tools.manual.command import Argument, Command, Option


def escaped(text: str) -> str:
    """As it stands: no line is taken for a request, and - is the one that can be typed."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("~", "\\(ti").replace("^", "\\(ha")
    lines = (rf"\&{line}" if line.startswith((".", "'")) else line for line in text.split("\n"))
    return "\n".join(lines).replace("'", "\\(aq").replace("`", "\\(ga")


def _bold(text: str) -> str:
    return rf"\fB{escaped(text)}\fR"


def _slanted(text: str) -> str:
    return rf"\fI{escaped(text)}\fR"


def head(name: str, section: int, version: str, about: str) -> list[str]:
    title = f'.TH {escaped(name.upper())} {section} "" "Samovar {version}" Samovar'
    about = about.strip().rstrip(".").split("\n")[0]
    return [title, ".SH NAME", f"{escaped(name)} \\- {escaped(about)}"]


def verbatim(text: str) -> list[str]:
    return [".nf", escaped(text), ".fi"]


def _title(option: Option) -> str:
    text = ", ".join(_bold(name) for name in option.names)
    return f"{text} {_slanted(option.value)}" if option.value else text


def _item(title: str, each: Option | Argument) -> Iterable[str]:
    yield from (".TP", title)
    text = escaped(each.about) or r"\&"
    more = []
    if each.choices:
        more.append(f"one of {', '.join(map(_bold, each.choices))}")
    if each.default and "default" not in each.about:
        more.append(f"default: {escaped(each.default)}")
    if each.environment:
        more.append(f"environment: {_bold(each.environment)}")
    yield f"{text} ({'; '.join(more)})" if more else text


def _word(argument: Argument) -> str:
    text = _slanted(argument.name.upper()) + (" ..." if argument.repeats else "")
    return text if argument.required else f"[{text}]"


def _synopsis(command: Command) -> list[str]:
    words = [_bold(command.name), f"[{_slanted('OPTION')} ...]"]
    lines = [" ".join(words + [_word(each) for each in command.arguments])]
    if command.commands:
        lines.append(" ".join([*words, _slanted("COMMAND"), "..."]))
    return [".SH SYNOPSIS", *"\n.br\n".join(lines).split("\n")]


def _footer(text: str) -> list[str]:
    before, colon, codes = text.partition("Exit codes:")
    lines = [".SH NOTES", escaped(before.strip())] if before.strip() else []
    return lines + ([".SH EXIT STATUS", *verbatim(codes.strip("\n"))] if colon else [])


def page(command: Command, version: str, see_also: Iterable[str]) -> str:
    """The page of one command, in section 1. `see_also` are others, as NAME(SECTION)."""
    lines = head(command.name.replace(" ", "-"), 1, version, command.about)
    lines += _synopsis(command) + [".SH DESCRIPTION", escaped(command.about)]
    if command.arguments:
        lines.append(".SH ARGUMENTS")
        for argument in command.arguments:
            lines += _item(_word(argument), argument)
    for group in dict.fromkeys(option.group for option in command.options):
        lines.append(f'.SH "{escaped(group.upper())}"')
        for option in command.options:
            if option.group == group:
                lines += _item(_title(option), option)
    if command.commands:
        lines.append(".SH COMMANDS")
        for below in command.commands:
            lines += [".TP", _bold(below.word), escaped(below.about)]
    lines += _footer(command.footer)
    lines += [".SH SEE ALSO", ", ".join(escaped(each) for each in see_also)]
    return "\n".join(lines) + "\n"


def configuration_page(text: str, version: str, see_also: Iterable[str]) -> str:
    """samovard.toml, with every key and its default."""
    lines = head("samovard.toml", 5, version, "configuration of samovard")
    lines += [".SH DESCRIPTION"]
    lines += [
        "What samovard reads with",
        rf"{_bold('--config')}:",
        "every key, with its default.",
        ".PP",
    ]
    lines += verbatim(text)
    lines += [".SH SEE ALSO", ", ".join(escaped(each) for each in see_also)]
    return "\n".join(lines) + "\n"
