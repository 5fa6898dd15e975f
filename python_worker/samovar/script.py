"""A running script that reads a line and writes a line, and the conversation with it."""

import os
import select
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable

from samovar.host import die_with_parent

# Its line would not fit into a message anyway (max_body is 128 MiB by default).
_MAX_LINE = 128 << 20
_READ_BYTES = 1 << 16
_MOST_READS = 4  # more than a pipe holds: who goes on for longer writes without end
# A sleep so long, uninterrupted, is a wait for input; who is busy for longer than the second is asked all the same.
_REST_S = 0.02
_REST_CAP_S = 60.0
# What it wrote in its last moments has this long to be read and answered with, before the worker follows it.
_LAST_WORDS_S = 0.1
# On_stop: so long after the end of its input it may go on, and after SIGTERM.
_STOP_S = 2.0
_TERMINATE_S = 1.0


class ScriptEnded(Exception):
    """The script is gone, or can no longer be talked to. The text is one sentence.

    `code` is its exit code, or minus the signal that ended it.
    """

    def __init__(self, sentence: str, code: int) -> None:
        super().__init__(sentence)
        self.code = code


class Script:
    """One process of the script. ask() is for one thread; nothing else reads its stdout.

    Its stderr is this process's. It is killed when this process dies. `on_end` is called in a thread of its own
    when it has ended, unless stop() was called first.
    """

    def __init__(self, command: str, is_answer: Callable[[bytes], bool]) -> None:
        """Starts it. Lines for which `is_answer` is false are shown as strays. Raises OSError.

        To be called in the main thread: the kernel kills the script when the thread that started it ends.
        """
        self.name = command
        self._is_answer = is_answer
        self._unread = b""
        self._stopping = False
        self._prompt = b""
        here = os.getpid()

        def die_with_worker() -> None:
            if not die_with_parent(here, signal.SIGKILL):
                os._exit(1)

        self._process = subprocess.Popen(
            shlex.split(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            # A Python script that forgets to flush answers all the same, and speaks UTF-8 wherever it runs.
            env={"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8", **os.environ},
            preexec_fn=die_with_worker,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._stdin, False)
        os.set_blocking(self._stdout, False)
        self._readable = select.poll()
        self._readable.register(self._stdout, select.POLLIN)
        self._either = select.poll()
        self._either.register(self._stdout, select.POLLIN)
        self._either.register(self._stdin, select.POLLOUT)

    def watch(self, on_end: Callable[[ScriptEnded], None]) -> None:
        """From now on its end is noticed when nobody asks, too."""

        def wait() -> None:
            os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
            time.sleep(_LAST_WORDS_S)
            if not self._stopping:
                on_end(self._ended())

        threading.Thread(target=wait, name="samovar script watch", daemon=True).start()

    def wait_for_rest(self) -> None:
        """Waits until it has slept for a moment, as a script does that waits for its input.

        One that is slow to load, and busy meanwhile, has then loaded. Raises ScriptEnded if it ends instead.
        """
        give_up = time.monotonic() + _REST_CAP_S
        before = None
        while time.monotonic() < give_up:
            try:
                self._process.wait(_REST_S)
            except subprocess.TimeoutExpired:
                now = self._sleep()
                if now is not None and now == before:
                    return
                before = now
            else:
                raise self._ended()

    def _sleep(self) -> str | None:
        """Which of its sleeps it is in, counted; None if it is in none, or the system does not say."""
        try:
            with open(f"/proc/{self._process.pid}/status", encoding="utf-8") as file:
                fields = dict(line.split(":", 1) for line in file if ":" in line)
        except OSError:
            return None
        return (
            fields.get("voluntary_ctxt_switches")
            if " S" in fields["State"].replace("\t", " ")
            else None
        )

    def ask(self, line: bytes) -> bytes:
        """Writes a line, which must hold no line ends, and returns the next one that is an answer.

        Waits for as long as that takes. Raises ScriptEnded; after any other exception it must not be asked again.
        """
        self._drop_unasked()
        self._write(line + b"\n")
        while True:
            answer = self._next_line().removeprefix(self._prompt)
            if self._is_answer(answer):
                return answer
            self._show("not an answer", answer)

    def stop(self) -> None:
        """Ends its input, which ends it; insists if that takes longer than some seconds."""
        self._stopping = True
        process = self._process
        assert process.stdin is not None
        process.stdin.close()
        for seconds, then in ((_STOP_S, process.terminate), (_TERMINATE_S, process.kill)):
            try:
                process.wait(seconds)
                return
            except subprocess.TimeoutExpired:
                then()
        process.wait()

    # --- reading and writing ---------------------------------------------------------------------------

    def _drop_unasked(self) -> None:
        """What it wrote although nobody had asked is no answer to what is asked next."""
        for _ in range(_MOST_READS):
            if not self._fill():
                break
        *lines, rest = self._unread.split(b"\n")
        self._unread = b""
        if rest and rest != self._prompt:
            # As input("> ") does each time: the next one may come later than the next question.
            self._prompt = self._prompt or rest
            lines.append(rest)
        for line in lines:
            self._show("nobody had asked", line)

    def _fill(self) -> bool:
        """Takes in what there is; False if there is nothing."""
        try:
            data = os.read(self._stdout, _READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            raise self._ended()
        self._unread += data
        return True

    def _next_line(self) -> bytes:
        pieces: list[bytes] = []
        size = 0
        while True:
            line, end, rest = self._unread.partition(b"\n")
            pieces.append(line)
            size += len(line)
            self._unread = rest
            if end:
                return b"".join(pieces).removesuffix(b"\r")
            if size > _MAX_LINE:
                self._process.kill()
                raise ScriptEnded(
                    f"{self._who()} wrote a line of more than {_MAX_LINE >> 20} MiB", 1
                )
            while not self._fill():
                self._readable.poll()

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._stdin, view) :]
            except BlockingIOError:
                # It may not read on before somebody reads what it writes.
                if any(fd == self._stdout for fd, _ in self._either.poll()):
                    self._fill()
            except BrokenPipeError:
                raise self._ended() from None

    def _show(self, why: str, line: bytes) -> None:
        """Into the log, by way of this process's stdout."""
        text = line.decode("utf-8", "replace")
        print(f"stray line ({why}): {text[:500]}", flush=True)

    # --- its end ---------------------------------------------------------------------------------------

    def _who(self) -> str:
        return f"the script {self.name!r} (pid {self._process.pid})"

    def _ended(self) -> ScriptEnded:
        """How it has ended; it is killed if it has only closed its stdin or stdout."""
        try:
            code = self._process.wait(_TERMINATE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return ScriptEnded(f"{self._who()} closed its stdin or stdout", self._process.wait())
        if code < 0:
            return ScriptEnded(f"{self._who()} was ended by signal {-code} ({_name(-code)})", code)
        return ScriptEnded(f"{self._who()} exited with code {code}", code)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "a real-time signal"
