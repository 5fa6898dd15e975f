"""Manual pages and completions say what --help says, and shells and man take them."""

import gzip
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from e2e.processes import ROOT, SAMOVAR_WORKER, Scene
from packages.test_version import SCRIPTS

BUILT = ROOT / "build/release"  # where the manual is made
MANUAL = BUILT / "manual"
COMPILED = ["samovard", "samovar", "samovar-load"]
PROGRAMS = [*COMPILED, *SCRIPTS]
BASH_COMPLETION = Path("/usr/share/bash-completion/bash_completion")


def share_of(program: str) -> Path:
    return MANUAL / ("python3-samovar" if program in SCRIPTS else "samovard")


def help_of(words: list[str]) -> str:
    where = ROOT / "build/venv/bin" if words[0] in SCRIPTS else BUILT / "bin"
    path = f"{ROOT / 'build/venv/bin'}:{os.environ['PATH']}"  # samovar stubgen runs samovar-stubgen
    run = subprocess.run(
        [where / words[0], *words[1:], "--help"],
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def options_in(text: str) -> set[str]:
    """Those that --help defines: at the beginning of a line."""
    lines = re.findall(r"^ +(-{1,2}[a-zA-Z][^ ]*(?:, --[\w-]+)*)", text, re.MULTILINE)
    return {name for line in lines for name in re.findall(r"-{1,2}[a-zA-Z][\w-]*", line)}


def commands() -> list[list[str]]:
    """Each program, and each of its commands, as words."""
    found = []
    for program in PROGRAMS:
        found.append([program])
        listed = re.split(r"^Subcommands:\n", help_of([program]), flags=re.MULTILINE)[1:]
        found += [
            [program, name] for name in re.findall(r"^  ([a-z]+) ", "".join(listed), re.MULTILINE)
        ]
    return found


def rendered(page: Path) -> str:
    environment = os.environ | {"MANWIDTH": "500", "LC_ALL": "C.UTF-8", "MAN_KEEP_FORMATTING": ""}
    run = subprocess.run(
        ["man", "--warnings", "-l", page], env=environment, capture_output=True, text=True
    )
    assert (run.returncode, run.stderr) == (0, ""), page
    return re.sub(".\b", "", run.stdout)


def test_each_command_has_a_page_with_all_its_options() -> None:
    assert ["samovar", "call"] in commands()
    for words in commands():
        name = "-".join(words)
        page = share_of(name if name in SCRIPTS else words[0]) / f"man/man1/{name}.1.gz"
        text = rendered(page)
        missing = {name for name in options_in(help_of(words)) if not re.search(rf"^ .*{name}\b", text, re.M)}  # fmt: skip
        assert options_in(help_of(words)) and not missing, f"{words}: {missing}"
        assert f"samovar {version()}".lower() in text.lower()


def version() -> str:
    return (ROOT / "VERSION").read_text().strip()


def test_the_page_of_the_configuration_has_every_key() -> None:
    text = rendered(MANUAL / "samovard/man/man5/samovard.toml.5.gz")
    default = subprocess.run(
        [BUILT / "bin/samovard", "--print-default-config"], capture_output=True, text=True
    )
    keys = re.findall(r"^(\w+) = .*", default.stdout, re.MULTILINE)
    assert len(keys) > 20 and not [key for key in keys if f"{key} = " not in text]


def completed(line: str, environment: dict[str, str] | None = None) -> list[str]:
    """What a real bash offers after this line, with bash-completion's own loading of files by name."""
    if not BASH_COMPLETION.exists():
        pytest.skip("bash-completion is not installed")
    script = f"""
        source {BASH_COMPLETION}
        words=({line!r})
        read -ra COMP_WORDS <<<"$1"
        [[ $1 != *' ' ]] || COMP_WORDS+=('')
        COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)) COMP_LINE=$1 COMP_POINT=${{#1}} COMPREPLY=()
        _completion_loader "${{COMP_WORDS[0]}}" || [[ $? == 124 ]] || exit 3
        read -ra spec <<<"$(complete -p "${{COMP_WORDS[0]}}")"
        "${{spec[-2]}}"
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    data = f"{share_of(line.split()[0])}"
    run = subprocess.run(
        ["bash", "--norc", "-c", script, "bash", line],
        env=os.environ
        | {"XDG_DATA_DIRS": data, "PATH": f"{BUILT / 'bin'}:{os.environ['PATH']}"}
        | (environment or {}),
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0 and not run.stderr, run.stderr
    return run.stdout.split()


def test_bash_completes_every_option_of_every_command() -> None:
    for words in commands():
        offered = set(completed(" ".join(words) + " -"))
        assert options_in(help_of(words)) <= offered, words


def test_bash_completes_commands_choices_and_files(tmp_path: Path) -> None:
    (tmp_path / "saved.request").touch()
    assert completed("samovar sta") == ["status"]
    assert completed("samovar --endpoint tcp://127.0.0.1:1 sta") == ["status"]
    assert completed("samovar-load --arrivals e") == ["even"]
    assert completed("samovar-worker --lines-format ") == ["json", "text"]
    assert completed(f"samovar replay {tmp_path}/sa") == [f"{tmp_path}/saved.request"]
    assert completed("samovar scale words ") == []


def test_names_come_from_the_running_broker(scene: Scene) -> None:
    broker = scene.broker()
    worker = [SAMOVAR_WORKER, "--expose", "textwrap:dedent,indent", "--connect", broker.backend]
    scene.run(*worker, name="samovar-worker").wait_for_line(r"^samovar-worker: .* ready ")
    there = {"SAMOVAR_ENDPOINT": broker.frontend}
    assert completed("samovar call textwrap.in", there) == ["textwrap.indent"]
    assert completed("samovar-load --method ", there) == ["textwrap.dedent", "textwrap.indent"]
    assert completed("samovar reload ", there) == ["textwrap"]
    typed = f"samovar --endpoint {broker.frontend} call textwrap.d"
    assert completed(typed) == ["textwrap.dedent"]
    nobody = {"SAMOVAR_ENDPOINT": scene.ipc("nobody")}
    assert completed("samovar call textwrap.in", nobody) == []


def test_zsh_offers_the_same() -> None:
    if not shutil.which("zsh"):
        pytest.skip("zsh is not installed")
    for program in PROGRAMS:
        folder = share_of(program) / "zsh/vendor-completions"
        function = "_" + program.replace("-", "_")
        script = f"""
            fpath=({folder} $fpath); autoload -Uz compinit; compinit -D
            [[ $_comps[{program}] == _{program} ]] || exit 3
            compdef() {{ : }}
            source {folder}/_{program}
            _arguments() {{ print -rl -- "$@" }}
            {function}
        """
        run = subprocess.run(["zsh", "-f", "-c", script], capture_output=True, text=True)
        assert not run.stderr, run.stderr
        offered = set(re.findall(r"^\*(-[\w-]+)\[", run.stdout, re.MULTILINE))
        assert options_in(help_of([program])) <= offered, program


def test_fish_offers_the_same() -> None:
    if not shutil.which("fish"):
        pytest.skip("fish is not installed")
    for words in commands():
        file = share_of(words[0]) / f"fish/vendor_completions.d/{words[0]}.fish"
        line = " ".join(words)
        script = f"source {file}; complete -C '{line} --'; complete -C '{line} -'"
        run = subprocess.run(["fish", "--no-config", "-c", script], capture_output=True, text=True)
        assert not run.stderr, run.stderr
        offered = {each.split("\t")[0] for each in run.stdout.splitlines()}
        assert options_in(help_of(words)) <= offered, words


def test_a_description_is_json_that_says_what_a_command_takes() -> None:
    said: dict[str, Any] = json.loads(
        subprocess.run([BUILT / "bin/samovar", "--describe"], capture_output=True).stdout
    )
    call = next(each for each in said["commands"] if each["name"] == "call")
    assert [each["name"] for each in call["arguments"]] == ["method", "argument"]
    assert call["arguments"][0]["value"] == "SERVICE.METHOD"
    assert "names" not in [each["name"] for each in said["commands"]], "it is for shells only"


def test_the_same_is_made_each_time(tmp_path: Path) -> None:
    programs = [BUILT / "bin" / name for name in COMPILED]
    make = ["/usr/bin/python3", "-B", "-m", "tools.manual", tmp_path / "again", version()]
    subprocess.run(
        [*make, *programs, "--", ROOT / "python_worker/pyproject.toml"], cwd=ROOT, check=True
    )
    files = [path for path in (tmp_path / "again").rglob("*") if path.is_file()]
    assert len(files) > 20
    for path in files:
        assert path.read_bytes() == (MANUAL / path.relative_to(tmp_path / "again")).read_bytes()
    assert gzip.decompress(files[0].read_bytes()) if files[0].suffix == ".gz" else files
