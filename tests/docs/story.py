"""Runs the blocks of a page in their order, in one folder and beside one samovard: what a reader does who tries them all."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from docs import compiler
from docs.blocks import Block
from docs.printed import is_as_shown
from e2e.processes import ROOT, SAMOVAR, SAMOVAR_WORKER, Broker, Program, Scene, wait_until
from e2e.raw import CAP_S

_IN_THE_BACKGROUND = re.compile(r"^(?:samovard|samovar-worker)\b(?!.*--(?:help|version|print))")


class Story:
    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.folder = scene.path("page")
        self.folder.mkdir()
        self._cwd = self.folder
        self._broker: Broker | None = None
        self._front = scene.ipc("front")
        self._back = scene.ipc("back")
        self._http = "127.0.0.1:7780"
        self._broker_options: list[str] = []
        self._faster: dict[str, str] = {}
        self._sessions_elsewhere = False
        self._machines: list[
            str
        ] = []  # addresses that have a broker each, beside that of the story
        self._printed = ""
        # Where a variable of a command points: the build tree, and a prefix into which it is installed when asked for.
        self._scene.env |= {"SAMOVAR": str(ROOT), "SAMOVAR_ENDPOINT": self._front}
        self._scene.env["PATH"] = f"{SAMOVAR.parent}:{scene.env['PATH']}"
        self._scene.env["PYTHONPATH"] = str(self.folder)

    # --- how it begins ---------------------------------------------------------------------------------

    def begin(self, setup: list[tuple[str, str]], blocks: list[Block]) -> None:
        """The words of <!-- page: WORD REST -->, and the files that its blocks are: each is written again in its turn."""
        for block in reversed(blocks):
            if "file" in block.directives:
                self._write(block)
        for word, rest in setup:
            match word:
                case "copy":
                    shutil.copytree(ROOT / rest, self.folder, dirs_exist_ok=True)
                case "http":
                    self._broker_options += ["--http", "127.0.0.1:0"]
                case "serve":
                    self._serve(rest)
                case "prefix":
                    self._install()
                case "node":
                    modules = self.folder / "node_modules"
                    modules.mkdir()
                    (modules / "samovar").symlink_to(ROOT / "node_client")
                    (self.folder / "package.json").write_text('{"type": "module"}\n')
                case "faster":
                    self._faster |= dict(pair.split("=") for pair in rest.split())
                case "machines":
                    self._machines = rest.split()
                case "sessions-run-by":
                    page = blocks[0].page
                    assert page in (ROOT / rest).read_text(), f"{rest} does not name {page}"
                    self._sessions_elsewhere = True
                case _:
                    raise AssertionError(f"<!-- page: {word} --> is not known")

    def _serve(self, app: str) -> None:
        broker = self._needs_broker()
        command = [SAMOVAR_WORKER, *shlex.split(app), "--connect", broker.backend]
        cwd = ROOT if app.startswith("examples.") else self.folder
        pool = self._scene.run(*command, cwd=cwd, name="samovar-worker")
        pool.wait_for_line(r"^samovar-worker: .* ready ")

    def _install(self) -> None:
        prefix = self._scene.path("prefix")
        command = ["cmake", "--install", SAMOVAR.parent.parent, "--prefix", prefix]
        subprocess.run([str(each) for each in command], check=True, capture_output=True)
        self._scene.env["CMAKE_PREFIX_PATH"] = self._scene.env["PREFIX"] = str(prefix)

    def _needs_broker(self) -> Broker:
        if self._broker is None:
            self._start_broker([])
        assert self._broker is not None
        return self._broker

    def _start_broker(self, options: list[str]) -> Broker:
        if self._broker is not None:
            assert self._broker.stop(), "samovard did not stop"
        options = [*options, *self._broker_options]
        # A page's reader is slower than the grace in which a service may still come.
        config = None if "--config" in options else "[deadlines]\nstartup_grace_ms = 1\n"
        self._broker = self._scene.broker(
            *self._at_free_port(options), prefix=["env", "-C", self._cwd], config=config
        )
        ready = self._broker.wait_for_line(r"^samovard: ready.*")[0]
        if listens := re.search(r"http ([^\s,]+)", ready):
            self._http = listens[1].removeprefix("http://").rstrip("/")
        return self._broker

    def _at_free_port(self, options: list[str]) -> list[str]:
        """Its own endpoints stand first: those of a page are left out."""
        left = []
        words = iter(options)
        for word in words:
            if word in ("--frontend", "--backend"):
                next(words)
            else:
                left.append("127.0.0.1:0" if word == "127.0.0.1:7780" else word)
        return left

    # --- the blocks ------------------------------------------------------------------------------------

    def run(self, block: Block) -> str:
        """What is wrong with this block; empty if nothing is."""
        try:
            return self._run(block)
        except AssertionError as error:
            return str(error)

    def _run(self, block: Block) -> str:
        if block.reason_not_to_run is not None:
            return "" if block.reason_not_to_run else "not-run needs a reason"
        if maker := block.directives.get("made"):
            return "" if (ROOT / maker).exists() else f"{maker}, which has made this, is not there"
        if path := block.directives.get("excerpt"):
            return self._is_excerpt(block, path)
        text = self._here(self._whole(block))
        if "file" in block.directives:
            return self._write(block)
        if block.is_session:
            return "" if self._sessions_elsewhere else self._run_session(block)
        match block.language:
            case "sh":
                return self._run_shell(block)
            case "python":
                return self._run_python(text, block)
            case "js":
                return self._run_node(text, block)
            case "cpp":
                return self._run_cpp(text, block)
            case "toml":
                return self._run_toml(text, block)
            case "json" | "text":
                if is_as_shown(block.text.splitlines(), self._printed):
                    return ""
                return f"what was printed before is another:\n{self._printed}"
        return "nobody runs this block (CONTRIBUTING.md, 'A block in a page')"

    def _write(self, block: Block) -> str:
        path = self.folder / block.directives["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._here(self._whole(block)))
        return ""

    def _whole(self, block: Block) -> str:
        """With what stands around it: <!-- with ... -->."""
        around = block.directives.get("with")
        if around is None:
            whole = "int main(" in block.text
            around = compiler.FRAGMENT if block.language == "cpp" and not whole else "..."
        lines = [block.text.rstrip("\n") if line == "..." else line for line in around.splitlines()]
        if "..." not in around.splitlines():
            lines.append(block.text)
        return "\n".join(lines) + "\n"

    def _here(self, text: str) -> str:
        """Documented endpoints are those of this story."""
        text = text.replace("tcp://127.0.0.1:7711", self._front)
        text = text.replace("tcp://127.0.0.1:7712", self._back)
        text = text.replace("127.0.0.1:7780", self._http)
        for address in self._machines:
            for port, end in (("7711", "front"), ("7712", "back")):
                text = text.replace(f"tcp://{address}:{port}", self._scene.ipc(f"{end}-{address}"))
        for slow, fast in self._faster.items():
            text = text.replace(slow, fast)
        return text

    def _is_excerpt(self, block: Block, path: str) -> str:
        """Its lines stand in that file, in this order; "..." and comments may differ."""
        rest = [_code_of(line) for line in (ROOT / path).read_text().splitlines()]
        for line in block.text.splitlines():
            code = _code_of(line)
            if not code or code == "...":
                continue
            form = re.compile(".*".join(map(re.escape, re.split(r"\s*\.\.\.\s*", code))))
            at = next((i for i, each in enumerate(rest) if form.fullmatch(each)), None)
            if at is None:
                return f"{path} has no such line, or not in this order: {line}"
            rest = rest[at + 1 :]
        return ""

    def _run_session(self, block: Block) -> str:
        commands: list[tuple[str, list[str]]] = []
        for line in block.text.splitlines():
            if line.startswith("$ "):
                commands.append((line[2:], []))
            elif commands[-1][0].endswith("\\"):
                commands[-1] = (f"{commands[-1][0]}\n{line}", [])
            else:
                commands[-1][1].append(line)
        for command, shown in commands:
            printed, code = self._command(command)
            if not is_as_shown(shown, printed):
                return f"$ {command}\nprinted (exit code {code}):\n{printed}"
        return ""

    def _run_shell(self, block: Block) -> str:
        for command in re.sub(r"\\\n\s*", " ", block.text).splitlines():
            if command and not command.startswith("#"):
                printed, code = self._command(re.sub(r"\s{2,}#.*", "", command))
                if code:
                    return f"{command}: exit code {code}\n{printed}"
        return ""

    def _command(self, command: str) -> tuple[str, int]:
        command = command.replace("$SAMOVAR/build/release/bin/", "").replace(
            "$SAMOVAR/build/venv/bin/", ""
        )
        if _IN_THE_BACKGROUND.match(command):
            return self._start(shlex.split(self._with_variables(self._here(command))))
        if "samovard" not in command and not command.startswith(("cmake", "cd", "mkdir")):
            self._needs_broker()
        command = self._here(command)
        marker = self._scene.path("cwd")
        printed, code = self._to_its_end(
            ["bash", "-c", f"{command}\ncode=$?; pwd >{shlex.quote(str(marker))}; exit $code"]
        )
        if marker.exists():
            self._cwd = Path(marker.read_text().strip())
        return printed, code

    def _with_variables(self, command: str) -> str:
        return re.sub(r"\$(\w+)", lambda name: self._scene.env.get(name[1], name[0]), command)

    def _start(self, words: list[str]) -> tuple[str, int]:
        """What goes on in the background, once it serves; what it has printed, if it has ended."""
        if words[0] == "samovard" and self._machines:
            options = [word for word in words[1:] if word != "--insecure"]
            ends = options[options.index("--frontend") + 1], options[options.index("--backend") + 1]
            self._scene.broker(endpoints=ends)
            return "", 0
        if words[0] == "samovard":
            self._start_broker(words[1:])
            return "", 0
        if not self._machines:
            self._needs_broker()
        pool = self._scene.run(SAMOVAR_WORKER, *words[1:], cwd=self._cwd, name="samovar-worker")
        wait_until(lambda: pool.lines(" ready ") or not pool.is_running(), "a pool did not start")
        if "--report-memory" in words:
            pool.wait_for_line("memory of worker-1")
            return pool.log(), 0
        return ("", 0) if pool.is_running() else (pool.log(), pool.exit_code())

    def _to_its_end(self, command: list[str]) -> tuple[str, int]:
        """Stdout and stderr, as a terminal shows them."""
        done = subprocess.run(
            command,
            cwd=self._cwd,
            env=self._scene.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=6 * CAP_S,
            check=False,
        )
        self._printed = done.stdout
        return done.stdout, done.returncode

    def _program(self, command: list[str]) -> str:
        printed, code = self._to_its_end(command)
        return f"exit code {code}\n{printed}" if code else ""

    def _run_python(self, text: str, block: Block) -> str:
        self._needs_broker()
        path = self.folder / f"block_{block.line}.py"
        path.write_text(text)
        return self._program([sys.executable, str(path)])

    def _run_node(self, text: str, block: Block) -> str:
        if not (ROOT / "node_client/dist").exists() or not shutil.which("node"):
            return ""  # script/test names what Node is missing for
        self._needs_broker()
        path = self.folder / f"block_{block.line}.mjs"
        path.write_text(text)
        return self._program(["node", str(path)])

    def _run_cpp(self, text: str, block: Block) -> str:
        path = self.folder / f"block_{block.line}.cpp"
        path.write_text(text)
        is_program = "int main(" in text
        if wrong := compiler.compile_block(path, link=is_program):
            return wrong
        if not is_program:
            return ""
        self._needs_broker()
        return self._program([str(path.with_suffix(""))])

    def _run_toml(self, text: str, block: Block) -> str:
        """samovard takes it: it is started with it, beside the one of this story."""
        path = self.folder / f"block_{block.line}.toml"
        path.write_text(
            re.sub(r"(?m)^worker_command = .*", f'worker_command = "{SAMOVAR_WORKER}"', text)
        )
        log = self._scene.path(f"toml-{block.line}.log")
        ends = [
            f"--{side}=" + self._scene.ipc(f"{side}-{block.line}")
            for side in ("frontend", "backend")
        ]
        program = Program(
            "samovard",
            [SAMOVAR.parent / "samovard", "--config", path, *ends],
            log,
            self._scene.env,
            self.folder,
        )
        self._scene.programs.append(program)
        program.wait_for_line(r"^samovard: ready")
        for name in re.findall(r'(?m)^\[\[service\]\]\nname = "(\S+)"', text):
            program.wait_for_line(rf"{re.escape(name)} ready")
        return "" if program.stop() else "samovard did not stop"


def _code_of(line: str) -> str:
    return re.sub(r"\s+(#|//) .*$", "", line).strip()
