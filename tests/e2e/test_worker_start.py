"""A forked worker is ready soon, since all that it needs has been imported before."""

from e2e.processes import Broker, Scene
from e2e.raw import Client


def test_a_forked_worker_imports_nothing(scene: Scene, broker: Broker, client: Client) -> None:
    scene.pool(broker.backend, "modules:service")
    assert client.ok("modules.imported") == []
