"""A file that is there while a pool serves: for whoever runs it in a container, or waits for it in a script."""

import os


class ReadyFile:
    def __init__(self, path: str | None) -> None:
        """Without a path it does nothing. What an earlier pool has left goes. Raises OSError where no file can be."""
        self._path = path
        self._there = False
        if path is not None:
            self._make(path)
            os.unlink(path)

    def show(self, ready: bool) -> None:
        if self._path is None or ready == self._there:
            return
        try:
            if ready:
                self._make(self._path)
            else:
                os.unlink(self._path)
        except FileNotFoundError:
            pass  # somebody else has removed it, or its directory
        except OSError:
            return  # for the next turn
        self._there = ready

    @staticmethod
    def _make(path: str) -> None:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
