"""The brokers that a peer is to hold: the grammar of their list, and the addresses that it stands for now.

    LIST      one or more of these, with commas between them:
              tcp://HOST:PORT   ipc:///PATH   dns+tcp://NAME:PORT

dns+tcp stands for every address that NAME has, now and later. PROTOCOL.md, section 2.2.
"""

import logging
import os
import re
import socket
import threading
from collections.abc import Callable

log = logging.getLogger("samovar")

MAX_BROKERS = 16  # as many as a board has sessions
LOOK_EVERY_S = 30.0
# When connections are lost names are looked up again at once, but not more often than this.
LOOK_AGAIN_S = 1.0

_DNS = "dns+"
_IPC_PATH_BYTES = 107  # of a socket's path, at most
_TCP = re.compile(
    r"(?:dns\+)?tcp://(?P<host>[^\s:/\[\],]+|\[[0-9A-Fa-f:.]+(?:%\w+)?\]):(?P<port>[0-9]{1,5})"
)

# From a name and a port to endpoints. Raises OSError.
Lookup = Callable[[str, int], list[str]]


class BadEndpoint(ValueError):
    """What is no endpoint, or no list of them. The text is one sentence that names the piece and the way out."""


def parse(text: str) -> tuple[str, ...]:
    """The pieces of a list, each once. Raises BadEndpoint."""
    pieces = tuple(dict.fromkeys(check(piece.strip()) for piece in text.split(",")))
    if len(pieces) > MAX_BROKERS:
        raise BadEndpoint(f"{len(pieces)} brokers are more than {MAX_BROKERS}: name fewer")
    return pieces


def check(piece: str) -> str:
    """One endpoint, as it came. Raises BadEndpoint."""
    if piece.startswith("ipc://"):
        path = piece.removeprefix("ipc://")
        if not path:
            raise BadEndpoint(f"{piece!r} names no path: write ipc:///path/to/socket")
        if len(os.fsencode(path)) > _IPC_PATH_BYTES:
            raise BadEndpoint(
                f"the path in {piece!r} is longer than the {_IPC_PATH_BYTES} bytes of a socket's path"
            )
        return piece
    match = _TCP.fullmatch(piece)
    if match is None or not 1 <= int(match["port"]) <= 65535:
        raise BadEndpoint(
            f"{piece!r} is no endpoint: write tcp://HOST:PORT or dns+tcp://NAME:PORT with a port from 1 to 65535, "
            "or ipc:///PATH"
        )
    return piece


def look_up(name: str, port: int) -> list[str]:
    """Every address of a name, as endpoints. Those of IPv6 count where there are no others: both lead to the same hosts."""
    found = socket.getaddrinfo(name.strip("[]"), port, type=socket.SOCK_STREAM)
    old = [
        f"tcp://{address[0]}:{port}" for family, *_, address in found if family == socket.AF_INET
    ]
    new = [
        f"tcp://[{address[0]}]:{port}" for family, *_, address in found if family == socket.AF_INET6
    ]
    return sorted(set(old or new))


class Addresses:
    """What a list stands for now. `now` is monotonic seconds. Names are looked up in a thread of their own.

    The owner's loop calls tick() each turn. `wake` ends its wait, and is called in that thread. `present` holds each endpoint
    once, at most MAX_BROKERS; a name that cannot be looked up keeps the addresses that it had.
    """

    def __init__(
        self, pieces: tuple[str, ...], wake: Callable[[], None], lookup: Lookup | None = None
    ) -> None:
        self._pieces = pieces
        self._wake = wake
        self._lookup = lookup or look_up
        self._names = [piece for piece in pieces if piece.startswith(_DNS)]
        self._found: dict[str, list[str]] = {}
        self._unknown: set[str] = set()  # names that the log has complained of
        self._looking = False
        self._answers: dict[str, list[str] | OSError] | None = None  # of a lookup that has ended
        self._look_at = 0.0
        self._looked_at = float("-inf")
        self._crowded = False  # the log has said that there are too many
        self.present: tuple[str, ...] = ()
        self._settle()

    def tick(self, now: float) -> bool:
        """Begins and ends lookups that are due; True when `present` has changed."""
        changed = False
        if self._answers is not None:
            answers, self._answers = self._answers, None
            self._looking = False
            changed = self._take(answers)
        if self._names and not self._looking and now >= self._look_at:
            self._looked_at = now
            self._look_at = now + LOOK_EVERY_S
            self._looking = True
            threading.Thread(target=self._look, name="samovar-names", daemon=True).start()
        return changed

    def look_again(self, now: float) -> None:
        """A connection was lost: its address may be nobody's any more."""
        self._look_at = min(self._look_at, max(now, self._looked_at + LOOK_AGAIN_S))

    def seconds_to_wait(self, now: float) -> float | None:
        """How long the owner may sleep before tick(); None: for ever, or until it is woken."""
        return max(0.0, self._look_at - now) if self._names and not self._looking else None

    def _look(self) -> None:
        answers: dict[str, list[str] | OSError] = {}
        for name in self._names:
            match = _TCP.fullmatch(name)
            assert match is not None
            try:
                answers[name] = self._lookup(match["host"], int(match["port"]))
            except (OSError, UnicodeError) as error:
                answers[name] = error if isinstance(error, OSError) else OSError(str(error))
        self._answers = answers
        self._wake()

    def _take(self, answers: dict[str, list[str] | OSError]) -> bool:
        for name, answer in answers.items():
            if not isinstance(answer, OSError):
                self._found[name] = answer
                self._unknown.discard(name)
            elif name not in self._unknown:
                self._unknown.add(name)
                log.warning("cannot look up %s: %s", name, answer.strerror or answer)
        return self._settle()

    def _settle(self) -> bool:
        """Makes `present` of what is known; True when that is another one."""
        wanted: dict[str, None] = {}
        for piece in self._pieces:
            wanted.update(
                dict.fromkeys(self._found.get(piece, [piece] * (piece not in self._names)))
            )
        before = self.present
        # Those that are held stay, so that too many addresses are no reason to change.
        ranked = sorted(wanted, key=lambda endpoint: endpoint not in before)
        chosen = set(ranked[:MAX_BROKERS])
        self.present = tuple(endpoint for endpoint in wanted if endpoint in chosen)
        if len(wanted) > MAX_BROKERS and not self._crowded:
            log.warning("%d brokers are more than %d: some are not used", len(wanted), MAX_BROKERS)
        self._crowded = len(wanted) > MAX_BROKERS
        return self.present != before
