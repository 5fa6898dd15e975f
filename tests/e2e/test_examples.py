"""The examples of the documentation do what it says."""

import signal

from e2e.processes import ROOT, SAMOVAR_WORKER, Broker, Scene
from e2e.raw import Client


def test_the_teahouse_has_every_hook(scene: Scene, broker: Broker, client: Client) -> None:
    command = [SAMOVAR_WORKER, "menu:service", "--connect", broker.backend, "--workers", 2]
    pool = scene.run(*command, cwd=ROOT / "examples" / "teahouse", name="samovar-worker")
    pool.wait_for_line("menu ready")
    assert client.ok("menu.price", "green tea") == 2.5
    assert client.ok("menu.asked", "oolong") == 1
    assert client.call("menu.price", "coffee").value["type"] == "KeyError"
    pool.signal(signal.SIGTERM)
    assert pool.exit_code() == 0
    assert "Traceback" not in pool.log()
