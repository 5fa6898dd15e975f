"""A reload under way: a new generation is loaded, then replaces the workers one by one, or is given up."""

import time
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Reload:
    """What is known of it. `commands`: ids of those who wait for its end."""

    generation: int
    because: str
    before: int  # the generation that serves until then, and on if this one fails
    commands: list[int] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def done(self, workers: int) -> dict[str, Any]:
        """For the answer, and for status."""
        seconds = round(time.monotonic() - self.began, 3)
        return {"generation": self.generation, "workers": workers, "seconds": seconds, "ok": True}

    def failed(self, failure: dict[str, str]) -> dict[str, Any]:
        return {
            "generation": self.before,
            "ok": False,
            "message": failure.get("failed", ""),
            "traceback": failure.get("traceback", ""),
        }
