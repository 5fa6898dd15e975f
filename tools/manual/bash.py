"""A completion for bash; bash-completion loads it, and helps with words that hold a colon."""

import shlex

from tools.manual.command import Argument, Command, Option
from tools.manual.values import DIRECTORIES, FILES, RUNNING

_HEAD = """\
# bash completion for {program}, made from its options.
{function}() {{
  local cur prev words cword at='' place=0 before='' word i given=()
  _get_comp_words_by_ref -n : cur prev words cword || return
  for ((i = 1; i < cword; ++i)); do
    word=${{words[i]}}
    case $before in
      --endpoint | --key | --broker-key) given+=("$before" "$word") ;;
    esac
    case "$before" in
      {taking}) before='' && continue ;;
    esac
    before=$word
    case "$at/$word" in
      */-*) ;;
      {commands}) at=${{at:+$at }}$word place=0 ;;
      *) ((++place)) ;;
    esac
  done
"""
_TAIL = """\
  __ltrim_colon_completions "$cur"
}}
complete -F {function} {program}
"""


def _answer(each: Option | Argument) -> str:
    if each.choices:
        return f"mapfile -t COMPREPLY < <(compgen -W {shlex.quote(' '.join(each.choices))} -- \"$cur\")"
    if each.value in FILES:
        return 'compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur")'
    if each.value in DIRECTORIES:
        return 'compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur")'
    if each.value in RUNNING:
        names = f'$(samovar "${{given[@]}}" names {RUNNING[each.value]} 2>/dev/null)'
        return f'mapfile -t COMPREPLY < <(compgen -W "{names}" -- "$cur")'
    return "COMPREPLY=()"


def _arguments(command: Command) -> list[str]:
    """Cases of at:place."""
    lines = []
    for place, argument in enumerate(command.arguments):
        pattern = f"{command.path}:{'*' if argument.repeats else place}".replace(" ", "\\ ")
        lines.append(f"    {pattern}) {_answer(argument)} ;;")
    return lines


def completion(program: Command) -> str:
    function = "_" + program.name.replace("-", "_")
    everything = list(program.all())
    options = {option.names[-1]: option for each in everything for option in each.options}
    taking = [option for option in options.values() if option.value]
    commands = [f"'{each.path.rpartition(' ')[0]}/{each.word}'" for each in everything if each.path]
    names = " | ".join(name for option in taking for name in option.names)
    lines = [_HEAD.format(program=program.name, function=function, taking=names or "''",
                          commands=" | ".join(commands) or "''")]  # fmt: skip
    lines.append('  case "$prev" in')
    for option in taking:
        lines.append(
            f"    {' | '.join(option.names)}) {_answer(option)}; __ltrim_colon_completions \"$cur\"; return ;;"
        )
    lines += ["  esac", "  if [[ $cur != -* ]]; then", '    case "$at:$place" in']
    for command in everything:
        lines += ["  " + line for line in _arguments(command)]
    lines += ["    esac", "  fi", "  local known=''", '  case "$at" in']
    for command in everything:
        words = [each.word for each in command.commands]
        words += [name for each in command.options for name in each.names]
        lines.append(f"    '{command.path}') known={shlex.quote(' '.join(words))} ;;")
    lines += ["  esac", "  # Options where one has begun, and where nothing else is known."]
    lines += ["  if [[ $cur == -* ]] || { ((place == 0)) && [[ -z ${COMPREPLY[*]-} ]]; }; then"]
    lines += ['    mapfile -t COMPREPLY < <(compgen -W "$known" -- "$cur")', "  fi"]
    return "\n".join(lines) + "\n" + _TAIL.format(program=program.name, function=function)
