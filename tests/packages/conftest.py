"""The end-to-end tests' directory for a test, with all that it starts."""

from e2e.conftest import scene

__all__ = ["scene"]
