"""A broker with keys: made by `samovar keygen`, and the list of who may do what."""

import json
import re
import signal
import subprocess
from typing import Any

import zmq

from e2e.processes import SAMOVAR, Broker, Program, Scene, wait_until
from e2e.raw import CAP_S, Client, Worker


class Keys:
    """Made by `samovar keygen`, in the scene's directory; and the broker's list of them."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.list = scene.path("allowed.toml")
        self.blocks: dict[str, dict[str, Any]] = {}
        for name in ("broker", "billing", "pool", "ops", "stranger"):
            self.samovar("keygen", name)
        self.allow("billing", calls=["kitchen"])
        self.allow("pool", provides=["kitchen"])
        self.allow("ops", calls=["*"], administers=True)

    def samovar(self, *arguments: object, **env: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(each) for each in (SAMOVAR, *arguments)],
            cwd=self.scene.directory,
            env={**self.scene.env, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=CAP_S,
            check=False,
        )

    def public(self, name: str) -> str:
        return self._value(f"{name}.pub", "public")

    def _value(self, file: str, key: str) -> str:
        found = re.search(
            rf'^{key} = "(.{{40}})"$', self.scene.path(file).read_text(), re.MULTILINE
        )
        assert found
        return found[1]

    def allow(self, name: str, **what: Any) -> None:
        self.blocks[name] = what
        self._write()

    def revoke(self, name: str) -> None:
        del self.blocks[name]
        self._write()

    def _write(self) -> None:
        lines = []
        for name, what in self.blocks.items():
            lines += ["[[peer]]", f'name = "{name}"', f'public = "{self.public(name)}"']
            lines += [f"{key} = {json.dumps(value)}" for key, value in what.items()]
        self.list.write_text("\n".join(lines) + "\n")

    def broker(self, more: str = "", transport: str = "tcp", **options: Any) -> "SecuredBroker":
        config = f"""
[security]
key = "{self.scene.path('broker.key')}"
allow = "{self.list}"
{more}
"""
        broker = self.scene.broker(config=config, transport=transport, **options)
        return SecuredBroker(self, broker)

    def options(self, name: str | None) -> dict[int, Any]:
        """Of a socket that connects with this key."""
        if name is None:
            return {}
        return {
            zmq.CURVE_SERVERKEY: self.public("broker").encode(),
            zmq.CURVE_PUBLICKEY: self.public(name).encode(),
            zmq.CURVE_SECRETKEY: self._value(f"{name}.key", "secret").encode(),
        }

    def arguments(self, name: str) -> list[object]:
        return ["--key", f"{name}.key", "--broker-key", "broker.pub"]


class SecuredBroker:
    def __init__(self, keys: Keys, program: Broker) -> None:
        self.keys = keys
        self.program = program

    def samovar(self, key: str | None, *arguments: object) -> "subprocess.CompletedProcess[str]":
        more = [] if key is None else self.keys.arguments(key)
        return self.keys.samovar("--endpoint", self.program.frontend, *more, *arguments)

    def client(self, key: str | None, **options: Any) -> Client:
        sockets = {**self.keys.options(key), **options.pop("options", {})}
        return self.program.client(options=sockets, **options)

    def worker(self, key: str, **options: Any) -> Worker:
        return self.program.worker(options=self.keys.options(key), **options)

    def pool(self, key: str = "pool", wait: bool = True) -> Program:
        files = [self.keys.scene.path(f"{key}.key"), self.keys.scene.path("broker.pub")]
        options = ["--key", files[0], "--broker-key", files[1]]
        return self.keys.scene.pool(self.program.backend, "kitchen:service", 1, *options, wait=wait)

    def status(self) -> dict[str, Any]:
        done = self.samovar("ops", "status", "--json")
        assert done.returncode == 0, done
        return dict(json.loads(done.stdout))

    def counter(self, name: str) -> int:
        return int(self.status()["counters"][name])

    def reload_keys(self) -> None:
        before = len(self.program.lines("has been read again"))
        self.program.signal(signal.SIGHUP)
        wait_until(
            lambda: len(self.program.lines("has been read again")) > before, "it was not read again"
        )
