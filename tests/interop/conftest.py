"""The fixtures of the end-to-end tests, whose processes these are."""

from e2e.conftest import keys, many_descriptors, programs_are_there, scene  # noqa: F401
