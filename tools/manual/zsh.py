"""A completion for zsh, by its function _arguments."""

from tools.manual.command import Argument, Command, Option
from tools.manual.values import DIRECTORIES, FILES, RUNNING


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _spoken(text: str) -> str:
    """A description inside of a specification."""
    text = " ".join(text.split()).replace("\\", "\\\\")
    return text.replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")


def _action(each: Option | Argument) -> str:
    if each.choices:
        return f"({' '.join(each.choices)})"
    if each.value in FILES:
        return "_files"
    if each.value in DIRECTORIES:
        return "_files -/"
    return f"_samovar_names {RUNNING[each.value]}" if each.value in RUNNING else " "


def _option(option: Option) -> list[str]:
    value = f":{_spoken(option.value)}:{_action(option)}" if option.value else ""
    return [_quoted(f"*{name}[{_spoken(option.about)}]{value}") for name in option.names]


def _argument(place: int, argument: Argument) -> str:
    where = "*" if argument.repeats else f"{place}{'' if argument.required else ':'}"
    return _quoted(f"{where}:{_spoken(argument.name)}:{_action(argument)}")


def _function(command: Command) -> list[str]:
    name = "_" + command.name.replace("-", "_").replace(" ", "__")
    specifications = [each for option in command.options for each in _option(option)]
    specifications += [_argument(place, each) for place, each in enumerate(command.arguments, 1)]
    if command.commands:
        specifications += ["'1:command:->command'", "'*:: :->below'"]
    lines = [f"{name}() {{", "  local curcontext=$curcontext state state_descr line ret=1"]
    lines += ["  typeset -A opt_args", "  _arguments -C \\"]
    lines += [f"    {each} \\" for each in specifications] + ["    && ret=0"]
    if command.commands:
        described = [_quoted(f"{each.word}:{_spoken(each.about)}") for each in command.commands]
        lines += ["  case $state in", "    command)", "      local -a commands=("]
        lines += [f"        {each}" for each in described]
        lines += ["      )", "      _describe -t commands command commands && ret=0 ;;"]
        lines += ["    below)", "      case $line[1] in"]
        for each in command.commands:
            lines.append(f"        {each.word}) {name}__{each.word} && ret=0 ;;")
        lines += ["      esac ;;", "  esac"]
    return lines + ["  return ret", "}"]


_NAMES = """\
(( $+functions[_samovar_names] )) || _samovar_names() {
  local -a given names
  local option
  for option in --endpoint --key --broker-key; do
    [[ -z ${opt_args[$option]-} ]] || given+=($option ${(Q)opt_args[$option]//\\\\:/:})
  done
  names=(${(f)"$(samovar $given names $1 2>/dev/null)"})
  compadd -a names
}"""


def completion(program: Command) -> str:
    lines = [f"#compdef {program.name}", f"# Made from the options of {program.name}.", _NAMES]
    for command in program.all():
        lines += _function(command)
    function = "_" + program.name.replace("-", "_")
    # The first time its file is the body of the function; or it was sourced.
    lines += [f"if [[ $funcstack[1] == {function} ]]; then", f'  {function} "$@"', "else"]
    return "\n".join([*lines, f"  compdef {function} {program.name}", "fi", ""])
