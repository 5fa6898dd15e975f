"""The Node client: its own tests, then small programs in JavaScript against a samovard and its workers."""

import json
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from e2e.processes import APPS, ROOT, SAMOVAR, SAMOVAR_WORKER, Broker, Program, Scene, wait_until

CLIENT = ROOT / "node_client"
OWN_TESTS = sorted(CLIENT.glob("tests/*.test.mjs"))
DIST = CLIENT / "dist/index.mjs"

pytestmark = pytest.mark.skipif(not DIST.exists(), reason="script/node has not built it")

PROLOGUE = f"""
import {{ Client, NdArray, SamovarError }} from {json.dumps(str(DIST))};
import {{ writeFileSync }} from "node:fs";
const endpoints = JSON.parse(process.argv[2]);
const say = (value) => console.log(JSON.stringify(value, (_, each) => (typeof each === "bigint" ? `${{each}}n` : each)));
const failure = (promise) => promise.then(() => undefined, (error) => error);
"""


def start(scene: Scene, endpoints: list[str], source: str) -> Program:
    script = scene.path(f"script-{len(scene.programs)}.mjs")
    script.write_text(PROLOGUE + source)
    return scene.run("node", script, json.dumps(endpoints), name="node")


def said(program: Program) -> list[Any]:
    """What it said, each line as JSON, once it has ended by itself: an open client would keep it running."""
    assert program.exit_code() == 0, program.log()
    return [json.loads(line) for line in program.log().splitlines()]


def run(scene: Scene, broker: Broker, source: str) -> list[Any]:
    return said(start(scene, [broker.frontend], source))


@pytest.mark.parametrize("path", OWN_TESTS, ids=lambda path: str(path.name))
def test_its_own_tests_pass(path: Path) -> None:
    command = ["node", "--test", "--test-reporter=tap", path]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout
    counts = dict(re.findall(r"^# (\w+) (\d+)$", result.stdout, re.MULTILINE))
    assert int(counts["tests"]) > 0
    assert counts["pass"] == counts["tests"]


def test_there_are_its_own_tests() -> None:
    names = {"brokers", "codec", "connections", "endpoints", "session"}
    assert {path.name for path in OWN_TESTS} >= {f"{name}.test.mjs" for name in names}


def test_values_of_all_kinds_go_to_python_and_come_back(
    scene: Scene, broker: Broker, pool: Program
) -> None:
    source = """
const client = new Client(endpoints[0], { timeout: 10_000, name: "values" });
const values = [null, true, -5, 2 ** 40, 2n ** 63n, -(2n ** 63n), 1.5, "茶", { a: [1, { b: null }] }];
say(await client.call("kitchen.echo", [values]));
say([...(await client.call("kitchen.echo", [new Uint8Array([1, 2])]))]);
say((await client.call("kitchen.echo", [new Date(1_700_000_000_123)])).getTime());
say(await client.call("kitchen.add", [1], { kwargs: { right: 5 } }));
say(await client.service("kitchen").add(20));
say(await client.call("kitchen.length", [new Uint8Array(1000)]));
client.close();
"""
    values = [None, True, -5, 2**40, f"{2**63}n", f"-{2**63}n", 1.5, "茶", {"a": [1, {"b": None}]}]
    assert run(scene, broker, source) == [values, [1, 2], 1_700_000_000_123, 6, 21, 1000]


def test_arrays_are_those_of_numpy(scene: Scene, broker: Broker) -> None:
    worker = [SAMOVAR_WORKER, "--expose", "numpy:flip", "--connect", broker.backend]
    scene.run(*worker, name="samovar-worker").wait_for_line(r"^samovar-worker: .* ready ")
    source = """
const client = new Client(endpoints[0], { timeout: 10_000 });
const array = NdArray.of(new Float32Array([1, 2, 3, 4, 5, 6]), [2, 3]);
for (const sent of [array, new BigInt64Array([1n, -2n])]) {
  const flipped = await client.call("numpy.flip", [sent]);
  say([flipped.dtype, flipped.shape, [...flipped.elements()]]);
}
client.close();
"""
    floats = ["<f4", [2, 3], [6, 5, 4, 3, 2, 1]]
    assert run(scene, broker, source) == [floats, ["<i8", [2], ["-2n", "1n"]]]


def test_attachments_and_metadata(scene: Scene, broker: Broker, pool: Program) -> None:
    source = """
const client = new Client(endpoints);
const attachments = [Buffer.from("small"), Buffer.alloc(300_000, 7)];
const { value, attachments: back, metadata } = await client.request("kitchen.mirror", [], { attachments, metadata: true });
say([value, back.map((each) => each.length), back[0].every((byte) => byte === 7), back[1].toString()]);
say([metadata.worker.split("/")[0], metadata.attempt, metadata.queuedMs >= 0, metadata.runningMs > 0]);
client.close();
"""
    mirrored, metadata = run(scene, broker, source)
    assert mirrored == [[5, 300_000], [300_000, 5], True, "small"]
    assert metadata == ["kitchen", 1, True, True]


def test_errors_say_what_happened(scene: Scene, broker: Broker, pool: Program) -> None:
    source = """
const client = new Client(endpoints[0], { timeout: 10_000 });
const raised = await failure(client.call("kitchen.fail", ["no tea"]));
say([raised instanceof SamovarError, raised.code, raised.type, raised.traceback.includes("ValueError: no tea"),
     raised.canRetry, raised.method]);
const died = await failure(client.call("kitchen.die", ["SIGKILL"]));
say([died.code, died.signal, died.stderr.includes("last words"), died.canRetry, died.message.startsWith("worker_lost: ")]);
say([(await failure(client.call("kitchen.nothing"))).code, (await failure(client.call("nothing"))).code]);
say([(await failure(client.call("kitchen.echo", [new Map()]))).reason]);
const late = await failure(client.call("kitchen.nap", [0.4], { timeout: 50 }));
say([late.code, late.where]);
client.close();
const closed = await failure(client.call("kitchen.add", [1]));
say([closed.code]);
"""
    raised, died, wrong, unsendable, late, closed = run(scene, broker, source)
    assert raised == [True, "app_error", "ValueError", True, False, "kitchen.fail"]
    assert died == ["worker_lost", signal.SIGKILL, True, False, True]
    assert wrong == ["bad_request", "bad_request"]
    assert unsendable == ["a Map cannot be sent: make a plain object or an array of it"]
    assert late[0] == "deadline_exceeded"
    assert late[1] in ("queued", "running")
    assert closed == ["cancelled"]


def test_an_abort_signal_cancels(scene: Scene, broker: Broker, pool: Program) -> None:
    gate = scene.path("gate")
    source = f"""
const client = new Client(endpoints[0]);
const abort = new AbortController();
const call = failure(client.call("kitchen.hold", ["held", {json.dumps(str(gate))}], {{ signal: abort.signal }}));
const waiting = failure(client.call("kitchen.add", [1], {{ signal: abort.signal }}));
await client.call("samovar.ping");
setTimeout(() => abort.abort("enough"), 20);
for (const error of [await call, await waiting]) say([error.name, error.code, error.cause]);
say([(await failure(client.call("kitchen.add", [1], {{ signal: AbortSignal.abort() }}))).name]);
writeFileSync({json.dumps(str(gate))}, "");
say([await client.call("kitchen.add", [1])]);
client.close();
"""
    aborted = ["AbortError", "cancelled", "enough"]
    assert run(scene, broker, source) == [aborted, aborted, ["AbortError"], [2]]
    assert broker.service("kitchen")["in_flight"] == 0


def test_streams(scene: Scene, broker: Broker) -> None:
    scene.pool(broker.backend, "brook:service")
    source = """
const client = new Client(endpoints[0], { timeout: 10_000 });
const items = [];
for await (const item of client.stream("brook.count", [100], { window: 3 })) items.push(item);
say([items.length, items[99]]);

const seen = [];
const failed = await failure((async () => { for await (const item of client.stream("brook.fall", [2])) seen.push(item); })());
say([seen, failed.code, failed.type]);

for await (const item of client.stream("brook.count", [1_000_000], { window: 4 })) if (item === 2) break;
say([await client.call("brook.add", [1, 2])]);

const abort = new AbortController();
const stream = client.stream("brook.stall", [], { signal: abort.signal });
say([(await stream.next()).value]);
abort.abort();
say([(await failure(stream.next())).name, (await failure(client.call("brook.count", [1]))).code]);
client.close();
"""
    whole, fallen, after, first, stopped = run(scene, broker, source)
    assert whole == [100, 99]
    assert fallen == [[0, 1], "app_error", "ValueError"]
    assert after == [3]
    assert first == [1]
    assert stopped == ["AbortError", "bad_request"]
    ahead = {int(note.split()[1]) for note in scene.notes() if note.startswith("item ")}
    assert max(ahead) == 99, "the cancelled handler ran ahead of its reader"


def test_commonjs_gets_the_same_classes(scene: Scene, broker: Broker, pool: Program) -> None:
    source = f"""
import {{ createRequire }} from "node:module";
const common = createRequire(import.meta.url)({json.dumps(str(CLIENT))});
const client = new common.Client(endpoints[0]);
say([await client.call("kitchen.add", [1]), common.SamovarError === SamovarError]);
client.close();
"""
    assert run(scene, broker, source) == [[2, True]]


def test_without_a_broker_calls_end_at_their_timeout(scene: Scene) -> None:
    source = """
const client = new Client(endpoints[0]);
const error = await failure(client.call("kitchen.add", [1], { timeout: 50 }));
say([error.code, error.canRetry, error.reason.startsWith("no broker answers at ipc://")]);
client.close();
for (const endpoint of ["tcp://127.0.0.1", "http://x:1", "tcp://x:99999"]) {
  try { new Client(endpoint); } catch (error) { say([error.name]); }
}
"""
    said_of = said(start(scene, [scene.ipc("nobody")], source))
    assert said_of == [["unavailable", True, True], ["TypeError"], ["TypeError"], ["TypeError"]]


def test_a_broker_that_comes_back_is_called_again(scene: Scene) -> None:
    broker = scene.broker()
    scene.pool(broker.backend)
    gate = str(scene.path("gate"))
    source = f"""
const client = new Client(endpoints[0], {{ timeout: 20_000 }});
const gate = {json.dumps(gate)};
const lost = failure(client.call("kitchen.hold", ["once", gate]));
const again = client.call("kitchen.hold_idempotent", ["twice", gate], {{ idempotent: true }});
say([(await lost).code, (await lost).canRetry]);
say([await again]);
client.close();
"""
    program = start(scene, [broker.frontend], source)
    scene.wait_for_note("once")
    wait_until(lambda: broker.service("kitchen")["queued"] == 1, "the second call never waited")
    endpoints = (broker.frontend, broker.backend)
    broker.forget()
    broker.kill()
    scene.path("gate").touch()
    scene.broker(endpoints=endpoints)
    assert said(program) == [["broker_lost", False], ["twice"]]


def two_brokers(scene: Scene) -> list[Broker]:
    """Each with a pool of its own."""
    brokers = [scene.broker(transport="tcp") for _ in range(2)]
    for broker in brokers:
        scene.pool(broker.backend)
    return brokers


def test_several_brokers_share_the_calls_and_stand_in_for_each_other(scene: Scene) -> None:
    brokers = two_brokers(scene)
    gate = scene.path("gate")
    source = f"""
const client = new Client(endpoints.join(), {{ timeout: 20_000 }});
const where = async () => (await client.request("kitchen.add", [1])).metadata.endpoint;
let used = new Set();
while (used.size < 2) used.add(await where());
const held = await Promise.all(
  Array.from({{ length: 32 }}, (_, i) =>
    client.request("kitchen.hold_idempotent", [`call ${{i}}`, {json.dumps(str(gate))}], {{ idempotent: true }})),
);
say([...new Set(held.map(({{ metadata }}) => metadata.attempt))].sort());
say([...new Set(held.map(({{ metadata }}) => metadata.endpoint))]);
const lost = await failure(client.call("kitchen.nothing"));
say([lost.code, lost.endpoint]);
client.close();
"""
    program = start(scene, [broker.frontend for broker in brokers], source)

    def held(broker: Broker) -> int:
        service = broker.service("kitchen")
        return int(service["queued"] + service["in_flight"])

    wait_until(lambda: sum(map(held, brokers)) == 32, "not all calls came")
    assert all(held(broker) for broker in brokers)
    brokers[0].kill()
    wait_until(lambda: held(brokers[1]) == 32, "the calls never came over")
    gate.touch()
    other = brokers[1].frontend
    assert said(program) == [[1, 2], [other], ["bad_request", other]]


def test_idempotent_calls_see_no_error_when_a_broker_is_killed(scene: Scene) -> None:
    brokers = two_brokers(scene)
    killed = scene.path("killed")
    source = f"""
import {{ existsSync }} from "node:fs";
const client = new Client(endpoints, {{ timeout: 20_000 }});
const used = new Set();
const errors = [];
let left = 2000;
const keepCalling = async () => {{
  while (left > 0) {{
    try {{
      used.add((await client.request("kitchen.add", [1], {{ idempotent: true }})).metadata.endpoint);
    }} catch (error) {{
      errors.push(error.message);
    }}
    if (existsSync({json.dumps(str(killed))})) left -= 1;
    else if (used.size === 2) writeFileSync({json.dumps(str(scene.path("both")))}, "");
  }}
}};
await Promise.all(Array.from({{ length: 50 }}, keepCalling));
say(errors);
client.close();
"""
    program = start(scene, [broker.frontend for broker in brokers], source)
    wait_until(scene.path("both").exists, "one broker was never called")
    brokers[0].kill()
    killed.touch()
    assert said(program) == [[]]


def test_a_name_stands_for_the_addresses_that_it_has(scene: Scene) -> None:
    port = scene.broker(transport="tcp").frontend.rpartition(":")[2]
    source = """
const client = new Client(endpoints[0], { timeout: 20_000, maxConnectionAge: 60_000 });
say([await client.call("samovar.ping"), client.endpoint]);
client.close();
const none = new Client("dns+tcp://name.invalid:7711");
const error = await failure(none.call("samovar.ping", [], { timeout: 200 }));
say([error.code, error.reason.startsWith("no broker is known: ")]);
none.close();
"""
    name = f"dns+tcp://localhost:{port}"
    found, missing = said(start(scene, [name], source))
    assert found[1] == name
    assert missing == ["unavailable", True]


def test_a_connection_is_made_anew_when_it_is_old_and_no_call_notices(
    scene: Scene, broker: Broker
) -> None:
    source = """
const client = new Client(endpoints[0], { timeout: 20_000, maxConnectionAge: 20 });
const links = new Set();
while (links.size < 4) {
  await client.call("samovar.ping");
  client.session.links.all.forEach((link) => links.add(link));
}
client.close();
"""
    assert run(scene, broker, source) == []


def test_keys(scene: Scene) -> None:
    def keygen(name: str) -> str:
        subprocess.run([SAMOVAR, "keygen", scene.path(name)], check=True, capture_output=True)
        text = scene.path(f"{name}.pub").read_text()
        return text.split('"')[1]

    public = {name: keygen(name) for name in ("broker", "shop", "pool", "stranger")}
    scene.path("allowed.toml").write_text(
        f'[[peer]]\nname = "shop"\npublic = "{public["shop"]}"\ncalls = ["kitchen"]\n'
        f'[[peer]]\nname = "pool"\npublic = "{public["pool"]}"\nprovides = ["kitchen"]\n'
    )
    # A service that there is not is one that may still come, however slow this machine is.
    broker = scene.broker(
        config='[security]\nkey = "broker.key"\nallow = "allowed.toml"\n[deadlines]\nstartup_grace_ms = 600000\n'
    )
    keys = ("--key", scene.path("pool.key"), "--broker-key", scene.path("broker.pub"))
    pool = [SAMOVAR_WORKER, "kitchen:service", "--connect", broker.backend, "--workers", 1, *keys]
    scene.run(*pool, cwd=APPS, name="samovar-worker").wait_for_line(r"^samovar-worker: .* ready ")
    source = """
const keys = (name) => ({ keyFile: `${name}.key`, brokerKeyFile: "broker.pub", timeout: 10_000 });
const client = new Client(endpoints[0], keys("shop"));
say([await client.call("kitchen.add", [1]), (await failure(client.call("words.count"))).code]);
client.close();
for (const options of [keys("stranger"), { timeout: 10_000 }]) {
  const other = new Client(endpoints[0], options);
  say([(await failure(other.call("kitchen.add", [1]))).code]);
  other.close();
}
for (const options of [{ keyFile: "shop.key" }, { keyFile: "shop.pub", brokerKeyFile: "broker.pub" }]) {
  try { new Client(endpoints[0], options); } catch (error) { say([error.message.length > 0]); }
}
"""
    refused = ["unauthorized"]
    assert run(scene, broker, source) == [[2, "unauthorized"], refused, refused, [True], [True]]


@pytest.mark.parametrize("way", [[], ["--old"]])
def test_the_example_answers_as_the_old_function_did(
    scene: Scene, broker: Broker, way: list[str]
) -> None:
    worker = [SAMOVAR_WORKER, "ipgeo:service", "--connect", broker.backend]
    pool = scene.run(*worker, cwd=ROOT / "examples", name="samovar-worker")
    pool.wait_for_line(r"^samovar-worker: .* ready ")
    scene.env["SAMOVAR_ENDPOINT"] = broker.frontend
    example = ROOT / "examples/node/getmsg.mjs"
    program = scene.run("node", example, "1.0.1.0", "8.8.8.8", *way, name="node")
    assert program.exit_code() == 0, program.log()
    *answers, time = sorted(program.log().splitlines(), key=lambda line: "answers" in line)
    assert sorted(answers) == ["1.0.1.0 CN", "8.8.8.8 US"]
    assert time.startswith("2 answers after ")
