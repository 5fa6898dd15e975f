"""The worker of apps/crew.py, with a handler of every kind, against a fake broker."""

from typing import Any

from fake_broker import FakeBroker, Peer

from samovar import wire


class Crew:
    """The worker of apps/crew.py."""

    def __init__(self, broker: FakeBroker, ledger: Any, pool: Any) -> None:
        self.broker = broker
        self.pool = pool
        self.worker: Peer = broker.worker()
        self._ledger = ledger

    def begin(self, method: str, *args: Any, **options: Any) -> int:
        return self.broker.dispatch(
            self.worker, self.broker.item(f"crew.{method}", *args, **options)
        )[0]

    def call(self, method: str, *args: Any, **options: Any) -> Any:
        return self.broker.reply(self.begin(method, *args, **options))

    def ok(self, method: str, *args: Any, **options: Any) -> Any:
        reply = self.call(method, *args, **options)
        assert reply.status == wire.OK, reply
        return reply.value

    def stream(self, method: str, *args: Any, **options: Any) -> int:
        return self.broker.stream(self.worker, f"crew.{method}", *args, **options)

    def notes(self) -> list[str]:
        return self._ledger.read_text().splitlines() if self._ledger.exists() else []

    def wait_for_note(self, text: str) -> None:
        self.broker.wait(lambda: text in self.notes(), f"the note {text!r} in {self.notes()}")
