"""The stories of pages run in the scenes of the end-to-end tests."""

from e2e.conftest import scene

__all__ = ["scene"]
