"""What became of a worker, as its supervisor tells the broker. PROTOCOL.md 5.9."""

import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass

from samovar import wire
from samovar.board import Session

STDERR_LINES = 20


@dataclass(frozen=True)
class Death:
    """How a process ended: by a signal or with an exit code; exactly one of them is set."""

    pid: int
    signal: int | None
    exit_code: int | None

    @classmethod
    def from_wait_status(cls, pid: int, status: int) -> "Death":
        """From what os.waitpid() returned."""
        if os.WIFSIGNALED(status):
            return cls(pid, os.WTERMSIG(status), None)
        return cls(pid, None, os.WEXITSTATUS(status))

    def sentence(self, who: str, how: str = "") -> str:
        """For people. `how`: the result of how(), if its arguments matter."""
        return f"{who} (pid {self.pid}) {how or self.how()}"

    def how(self, killed_because: str | None = None, out_of_memory: bool = False) -> str:
        """The rest of a sentence that begins with who died. `killed_because`: why the supervisor killed it, if it did."""
        if killed_because is not None:
            return f"was killed by its supervisor: {killed_because}"
        if self.signal is None:
            return f"exited with code {self.exit_code}"
        try:
            name = signal.Signals(self.signal).name
        except ValueError:
            name = "a real-time signal"
        text = f"was ended by signal {self.signal} ({name})"
        if self.signal == signal.SIGKILL:
            text += (
                ", by the kernel: out of memory" if out_of_memory else ", possibly out of memory"
            )
        return text


def stderr_text(lines: Iterable[bytes]) -> str:
    """The last lines that a worker wrote, as much as fits into an error."""
    text = b"\n".join(lines).decode("utf-8", "replace")
    return text[-wire.MAX_ERROR_TEXT // 4 :]


def encode_obituary(
    epoch: int,
    death: Death,
    session: Session,
    reason: str,
    stderr: Iterable[bytes],
    stack: Iterable[bytes] = (),
    out_of_memory: bool = False,
) -> bytes:
    """The OBITUARY of a worker for a broker that it had a `session` with; `epoch` is the supervisor's own with that one."""
    return wire.encode_control(
        wire.OBITUARY,
        epoch,
        {
            "worker_epoch": session.epoch,
            "pid": death.pid,
            "signal": death.signal,
            "exit_code": death.exit_code,
            "reason": reason,
            "stderr": stderr_text(stderr),
            "last_started": session.last_started,
            "running": session.running,
            "stack": stderr_text(stack) or None,
            "out_of_memory": out_of_memory or None,
        },
    )
