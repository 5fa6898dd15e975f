"""Fixtures of the end-to-end tests. Every test ends all it has started, and fails if something was left behind."""

import os
import resource
import signal
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from e2e.keys import Keys
from e2e.processes import SAMOVAR, SAMOVAR_WORKER, SAMOVARD, Broker, Program, Scene, shared_memory
from e2e.raw import Client

_ALARM_S = 90


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "slow: more than half a minute; runs with SAMOVAR_SLOW_TESTS=1"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here not in item.path.parents:
            continue
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(_ALARM_S))
        if item.get_closest_marker("slow") and not os.environ.get("SAMOVAR_SLOW_TESTS"):
            item.add_marker(pytest.mark.skip(reason="slow: runs with SAMOVAR_SLOW_TESTS=1"))


@pytest.fixture(scope="session", autouse=True)
def many_descriptors() -> None:
    """For tests with a thousand sockets."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_is_heard() -> None:
    """Whoever starts the tests in the background has SIGINT ignored, by them and by what they start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def programs_are_there() -> None:
    for program in (SAMOVARD, SAMOVAR, SAMOVAR_WORKER):
        assert program.exists(), f"{program} is missing: run script/build, or set SAMOVAR_BIN"


@pytest.fixture
def scene() -> Iterator[Scene]:
    """A directory and all that a test starts there."""
    shared_before = shared_memory()
    directory = Path(tempfile.mkdtemp(prefix="samovar-e2e-"))
    context: zmq.Context[Any] = zmq.Context()
    context.set(zmq.MAX_SOCKETS, 8192)
    scene = Scene(directory, context)
    try:
        yield scene
    finally:
        context.destroy(linger=0)
        try:
            scene.end()
            assert shared_memory() <= shared_before, "shared memory was left behind"
        finally:
            for program in scene.programs:  # pytest shows this for a test that fails
                if program.log_file.exists():
                    print(f"--- {program.name}, pid {program.pid}\n{program.log()[-4000:]}")
            shutil.rmtree(directory)


@pytest.fixture
def broker(scene: Scene) -> Broker:
    """A samovard with default options on temporary ipc endpoints."""
    return scene.broker()


@pytest.fixture
def pool(scene: Scene, broker: Broker) -> Program:
    """One worker that serves apps/kitchen.py at `broker`."""
    return scene.pool(broker.backend)


@pytest.fixture
def client(broker: Broker) -> Client:
    return broker.client()


@pytest.fixture
def keys(scene: Scene) -> Keys:
    """Keys in the scene's directory; their broker() wants one of whoever connects."""
    return Keys(scene)
