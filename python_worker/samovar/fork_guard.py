"""Handlers that fork: their children must not become second workers."""

import os
import signal

from samovar.board import Slot

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class ForkGuard:
    """Stands between a worker's loop and the children that its handlers fork. One for each process."""

    def __init__(self, board: Slot) -> None:
        self._board = board
        self.forked = False
        os.register_at_fork(
            before=_block_signals,
            after_in_parent=_unblock_signals,
            after_in_child=self._after_fork_in_child,
        )

    def check(self) -> None:
        """Ends this process if it is a child that a handler forked, which has come back from it."""
        if self.forked:
            os.write(
                2,
                b"samovar: a process that a handler forked came back from the handler; it is ended here."
                b" End it with os._exit() in the handler.\n",
            )
            os._exit(70)

    def _after_fork_in_child(self) -> None:
        """The child is not this worker. Signals end it, and it must not reply."""
        self.forked = True
        signal.set_wakeup_fd(-1)
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        _unblock_signals()
        self._board.release()  # so that the child cannot begin the bundle's next request


def _block_signals() -> None:
    """Before a handler forks: what is sent to its child early must find the child's own signal handling."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)


def _unblock_signals() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
