"""Keys: who may connect, and what each may do there."""

import re
import signal
import stat
import time
from pathlib import Path

import pytest
import zmq

from e2e.keys import Keys
from e2e.processes import APPS, SAMOVARD, Broker, Scene, wait_until
from e2e.raw import HELLO, PROTOCOL_ERROR, REGISTER_AGAIN

UNAUTHORIZED = 11  # exit code, as `samovar --help` lists it


# --- who may connect -----------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_a_known_key_calls_and_provides_what_it_may(keys: Keys, transport: str) -> None:
    broker = keys.broker(transport=transport)
    broker.pool()
    done = broker.samovar("billing", "call", "kitchen.add", "1")
    assert (done.returncode, done.stdout) == (0, "2\n"), done


@pytest.mark.parametrize(
    ("key", "words"), [("stranger", "does not know this client's key"), (None, "wants a key")]
)
def test_an_unknown_key_and_none_are_unauthorized_at_once(
    keys: Keys, key: str | None, words: str
) -> None:
    broker = keys.broker()
    began = time.monotonic()
    done = broker.samovar(key, "call", "kitchen.add", "1")
    assert time.monotonic() - began < 10, "that was a timeout"
    assert done.returncode == UNAUTHORIZED, done
    assert "unauthorized" in done.stderr and words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    if key is not None:
        [line, *_] = broker.program.lines("refused a handshake")
        assert "127.0.0.1" in line and keys.public(key) in line
        assert broker.counter("refused_handshakes") >= 1


def test_refused_handshakes_are_logged_at_a_limited_rate(keys: Keys) -> None:
    broker = keys.broker()
    began = time.monotonic()
    strangers = [broker.client("stranger", say_hello=False) for _ in range(100)]
    wait_until(lambda: broker.counter("refused_handshakes") >= 100, "not all were refused")
    seconds = time.monotonic() - began + 2
    assert len(broker.program.lines("refused a handshake")) <= 10 * seconds
    for stranger in strangers:
        stranger.close()


def test_a_key_of_another_broker_reaches_nobody(keys: Keys) -> None:
    broker = keys.broker()
    own = ["--key", "ops.key", "--broker-key", "stranger.pub"]
    done = keys.samovar(
        "--endpoint",
        broker.program.frontend,
        *own,
        "call",
        "kitchen.add",
        "1",
        "--timeout",
        "500ms",
    )
    assert done.returncode != 0 and "no broker answers" in done.stderr


def test_a_client_with_a_key_sends_nothing_to_a_broker_without_one(
    keys: Keys, broker: Broker
) -> None:
    arguments = ["--endpoint", broker.frontend, *keys.arguments("billing")]
    done = keys.samovar(*arguments, "call", "kitchen.add", "1")
    assert done.returncode == UNAUTHORIZED, done
    assert "has no key" in done.stderr


def test_a_pool_that_is_not_known_says_so_and_serves_once_it_is(keys: Keys) -> None:
    keys.revoke("pool")
    broker = keys.broker()
    pool = broker.pool(wait=False)
    pool.wait_for_line("unauthorized: the broker at .* does not know this key")
    keys.allow("pool", provides=["kitchen"])
    broker.reload_keys()
    pool.wait_for_line("kitchen ready")
    assert broker.samovar("billing", "call", "kitchen.add", "1").stdout == "2\n"


# --- what each may do ----------------------------------------------------------------------------------


def test_a_call_of_a_service_that_the_key_does_not_name_is_unauthorized(keys: Keys) -> None:
    keys.allow("billing", calls=["segment"])
    broker = keys.broker()
    broker.pool()
    client = broker.client("billing")
    outcome = client.call("kitchen.add", 1)
    assert outcome.word == "unauthorized"
    assert "the key 'billing' may not call service 'kitchen'" in outcome.message
    assert broker.client("ops").ok("kitchen.add", 1) == 2
    assert broker.counter("unauthorized") == 1


@pytest.mark.parametrize("method", ["status", "crashes", "quarantine", "reload", "scale"])
def test_only_keys_that_administer_may_administer(keys: Keys, method: str) -> None:
    broker = keys.broker()
    client = broker.client("billing")
    assert client.ok("samovar.ping") == "pong"
    assert client.ok("samovar.services") == []
    outcome = client.call(f"samovar.{method}")
    assert outcome.word == "unauthorized" and "may not administer" in outcome.message
    assert broker.client("ops").call(f"samovar.{method}").word != "unauthorized"


def test_a_worker_may_not_provide_what_its_key_does_not_name(keys: Keys) -> None:
    broker = keys.broker()
    for key in ("pool", "billing"):
        worker = broker.worker(key)
        worker.ready("payroll", "pay")
        refusal = worker.expect(PROTOCOL_ERROR).rest[0]
        assert refusal["unauthorized"] is True
        assert f"the key '{key}' may not provide service 'payroll'" in refusal["message"]
    assert broker.client("ops").ok("samovar.services") == []


def test_a_client_on_the_port_of_workers_is_refused(keys: Keys) -> None:
    broker = keys.broker()
    peer = broker.worker("pool", say_hello=False)
    peer.send(HELLO, {"role": "client", "nonce": 1}, epoch=0)
    assert "this is the backend" in peer.expect(PROTOCOL_ERROR).rest[0]["message"]


def test_a_routing_id_that_another_key_had_gives_none_of_its_rights(keys: Keys) -> None:
    keys.allow("stranger", calls=[])
    broker = keys.broker()
    broker.pool()
    claimed = {zmq.ROUTING_ID: b"claimed"}
    first = broker.client("billing", options=claimed)
    assert first.ok("kitchen.add", 1) == 2
    epoch = first.epoch
    first.close()
    # While the first is there, libzmq takes nothing from the second.
    wait_until(lambda: broker.status()["clients"] == 1, "only the one that asks is left")
    second = broker.client("stranger", options=claimed, say_hello=False)
    second.epoch = epoch
    second.begin("kitchen.add", 1)
    second.expect(REGISTER_AGAIN)
    second.outstanding.clear()
    second.hello()
    assert second.call("kitchen.add", 1).word == "unauthorized"


# --- revocation ----------------------------------------------------------------------------------------


def test_a_revoked_key_ends_at_once_though_its_connection_stays(keys: Keys) -> None:
    broker = keys.broker()
    broker.pool()
    client = broker.client("billing", watched=True)
    assert client.ok("kitchen.add", 1) == 2
    keys.revoke("billing")
    broker.reload_keys()
    assert client.expect(PROTOCOL_ERROR).rest[0]["unauthorized"] is True
    client.begin("kitchen.add", 1)
    client.expect(REGISTER_AGAIN)
    client.send(HELLO, {**client.hello_map, "nonce": 5}, epoch=0)
    assert client.expect(PROTOCOL_ERROR).rest[0]["unauthorized"] is True
    assert client.breaks == 0
    assert broker.counter("unauthorized") >= 2


def test_a_right_that_is_taken_away_and_given_back(keys: Keys) -> None:
    broker = keys.broker()
    broker.pool()
    client = broker.client("billing")
    assert client.ok("kitchen.add", 1) == 2
    keys.allow("billing", calls=[])
    broker.reload_keys()
    assert client.call("kitchen.add", 1).word == "unauthorized"
    keys.allow("billing", calls=["kitchen"])
    broker.reload_keys()
    assert client.ok("kitchen.add", 1) == 2


def test_a_worker_whose_service_is_taken_from_its_key_gets_no_more(keys: Keys) -> None:
    broker = keys.broker()
    worker = broker.worker("pool")
    worker.ready("kitchen", "add")
    client = broker.client("billing")
    call = client.begin("kitchen.add", 1)
    [item] = worker.take()
    keys.allow("pool", provides=["bakery"])
    broker.reload_keys()
    assert worker.expect(PROTOCOL_ERROR).rest[0]["unauthorized"] is True
    assert client.finish(call).word == "worker_lost"
    worker.reply(item, 2)
    worker.expect(REGISTER_AGAIN)
    assert broker.client("ops").call("kitchen.add", 1, timeout=0.2).word != "ok"


def test_a_list_with_a_mistake_changes_nothing(keys: Keys) -> None:
    broker = keys.broker()
    broker.pool()
    keys.list.write_text('[[peer]]\npublic = "no key"\n')
    broker.program.signal(signal.SIGHUP)
    broker.program.wait_for_line(
        r"the list of keys stays as it was: .*allowed\.toml:1: 'peer\.public' has to be a public key"
    )
    assert broker.samovar("billing", "call", "kitchen.add", "1").stdout == "2\n"


def test_sighup_without_keys_ends_nothing(broker: Broker) -> None:
    broker.signal(signal.SIGHUP)
    broker.wait_for_line("SIGHUP: there is no list of keys")
    assert broker.client().ok("samovar.ping") == "pong"


# --- files ---------------------------------------------------------------------------------------------


def test_keygen_makes_a_secret_file_and_writes_over_none(keys: Keys) -> None:
    secret, public = keys.scene.path("billing.key"), keys.scene.path("billing.pub")
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert "secret" not in public.read_text()
    before = secret.read_text()
    again = keys.samovar("keygen", "billing")
    assert again.returncode == 2 and "is there already" in again.stderr
    assert secret.read_text() == before


def test_no_secret_is_in_a_log_or_on_a_command_line(keys: Keys, scene: Scene) -> None:
    more = f"""
pool_key = "pool.key"
[[service]]
name = "kitchen"
app = "kitchen:service"
directory = "{APPS}"
"""
    broker = keys.broker(more)
    wait_until(
        lambda: broker.samovar("billing", "call", "kitchen.add", "1").returncode == 0,
        "the broker's own pool does not serve",
    )
    secrets = [
        re.findall(r'secret = "(.*)"', scene.path(f"{name}.key").read_text())[0]
        for name in ("broker", "pool", "billing")
    ]
    shown = broker.program.log()
    for pid in scene.processes():
        for file in ("cmdline", "environ"):
            shown += Path(f"/proc/{pid}/{file}").read_text(errors="replace")
    assert not [secret for secret in secrets if secret in shown]


@pytest.mark.parametrize(
    ("security", "words"),
    [
        ('key = "broker.key"', "'security.key' and 'security.allow' belong together"),
        ('key = "missing.key"\nallow = "allowed.toml"', "cannot read the key file"),
        ('key = "broker.pub"\nallow = "allowed.toml"', "holds no secret key"),
        ('key = "open.key"\nallow = "allowed.toml"', "may be read by others: chmod 600 it"),
        ('key = "allowed.toml"\nallow = "allowed.toml"', "is no key file"),
        ('key = "broker.key"\nallow = "nowhere.toml"', "nowhere.toml"),
        (
            'key = "broker.key"\nallow = "allowed.toml"\n[[service]]\nname = "a"\napp = "a:b"',
            "'security.pool_key' is missing",
        ),
    ],
)
def test_samovard_names_what_is_wrong_with_its_keys(
    keys: Keys, scene: Scene, security: str, words: str
) -> None:
    opened = scene.path("open.key")
    opened.write_text(scene.path("broker.key").read_text())
    opened.chmod(0o644)
    keys.list.write_text("")
    config = scene.path("wrong.toml")
    config.write_text(f"[security]\n{security}\n")
    endpoints = ["--frontend", scene.ipc("f"), "--backend", scene.ipc("b")]
    done = scene.run(SAMOVARD, "--config", config, *endpoints, name="samovard")
    assert done.exit_code() == 2
    assert words in done.log() and len(done.log().splitlines()) == 1


def test_without_keys_an_ipc_endpoint_is_for_its_user_alone(broker: Broker) -> None:
    for endpoint in (broker.frontend, broker.backend):
        path = Path(endpoint.removeprefix("ipc://"))
        assert stat.S_ISSOCK(path.stat().st_mode) and path.stat().st_mode & 0o077 == 0


def test_beyond_this_machine_it_listens_with_keys_only(keys: Keys, scene: Scene) -> None:
    everywhere = ("tcp://0.0.0.0:0", "tcp://127.0.0.1:0")
    arguments = ["--frontend", everywhere[0], "--backend", everywhere[1]]
    refused = scene.run(SAMOVARD, *arguments, name="samovard")
    assert refused.exit_code() == 2 and "[security]" in refused.log()
    keys.broker(endpoints=everywhere)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--key", "pool.key"], "--key and --broker-key belong together"),
        (["--key", "pool.pub", "--broker-key", "broker.pub"], "holds no secret key"),
        (["--key", "pool.key", "--broker-key", "nothing.pub"], "cannot read the key file"),
    ],
)
def test_samovar_worker_names_what_is_wrong_with_its_keys(
    keys: Keys, scene: Scene, arguments: list[str], words: str
) -> None:
    paths = [each if each.startswith("--") else str(scene.path(each)) for each in arguments]
    pool = scene.pool(scene.ipc("back"), "kitchen:service", 1, *paths, wait=False)
    assert pool.exit_code() == 2
    assert words in pool.log() and len(pool.log().splitlines()) == 1
