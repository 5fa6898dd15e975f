"""The live page of samovard --http, in a headless Chromium that small scripts drive."""

import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from e2e.atelier import Atelier
from e2e.frozen import frozen
from e2e.processes import ROOT, Broker, Program, Scene, wait_until
from e2e.raw import Client

PAGE = ROOT / "page"
CHROMIUM = Path("/usr/bin/chromium")
SCREENSHOTS = ROOT / "build/screenshots"

pytestmark = pytest.mark.skipif(
    not (PAGE / "dist/index.html").exists() or not CHROMIUM.exists(),
    reason="script/page has not built it, or there is no Chromium",
)

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

PROLOGUE = f"""
import {{ createRequire }} from "node:module";
import {{ writeFileSync, existsSync }} from "node:fs";
const require = createRequire({json.dumps(str(PAGE / "package.json"))});
const {{ chromium }} = require("playwright-core");
const [url, profile] = process.argv.slice(2);
const say = (value) => console.log(JSON.stringify(value));
const context = await chromium.launchPersistentContext(profile, {{
  executablePath: {json.dumps(str(CHROMIUM))},
  args: {json.dumps(FLAGS)},
  viewport: {{ width: 1280, height: 1000 }},
}});
context.setDefaultTimeout(15_000);
const page = context.pages()[0];
const complaints = [];
page.on("pageerror", (error) => complaints.push(String(error)));
page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
const live = () => page.waitForSelector("#state[data-state=live]");
const open = async () => {{ await page.goto(url); await live(); }};
// The cells of a row, by the titles of their columns.
const row = (section, key) => page.evaluate(([section, key]) => {{
  const found = [...document.querySelectorAll(`#${{section}} tbody tr`)].find((each) => each.dataset.key === key);
  return found && Object.fromEntries([...found.children].map((cell) => [cell.dataset.title, cell.textContent]));
}}, [section, key]);
const until = async (what, condition) => {{
  for (const end = Date.now() + 15_000; Date.now() < end; await page.waitForTimeout(20)) if (await condition()) return;
  throw new Error(`in vain: ${{what}}; the page says: ${{await page.innerText("body")}}`);
}};
const tile = (name) => page.innerText(`[data-tile="${{name}}"] .value`);
const callIt = async (method, text) => {{
  await page.selectOption("#method", method);
  await page.check("#as-json");
  await page.fill("#arguments", text);
  await page.click("#call-button");
}};
const outcome = (pattern) => until(`call-state ${{pattern}}`, async () => pattern.test(await page.innerText("#call-state")));
"""

EPILOGUE = """
await context.close();
"""


def url_of(broker: Broker) -> str:
    found = re.search(r"http (http://\S+)", broker.log())
    assert found, broker.log()
    return found[1]


def start(scene: Scene, broker: Broker, source: str) -> Program:
    script = scene.path(f"script-{len(scene.programs)}.mjs")
    script.write_text(PROLOGUE + source + EPILOGUE)
    profile = scene.path(f"profile-{len(scene.programs)}")
    return scene.run("node", script, url_of(broker), profile, name="node")


def said(program: Program) -> list[Any]:
    assert program.exit_code(60) == 0, program.log()
    return [json.loads(line) for line in program.log().splitlines()]


def run(scene: Scene, broker: Broker, source: str) -> list[Any]:
    return said(start(scene, broker, source))


@pytest.fixture
def broker(scene: Scene) -> Broker:
    return scene.broker("--http", "127.0.0.1:0")


@pytest.fixture
def pool(scene: Scene, broker: Broker) -> Program:
    return scene.pool(broker.backend, "kitchen:service", 2)


def test_its_figures_are_the_truth(
    scene: Scene, broker: Broker, pool: Program, client: Client
) -> None:
    gate = scene.path("gate")
    for number in range(37):
        client.ok("kitchen.add", number)
    for _ in range(3):
        client.call("kitchen.fail", "no tea")
    client.call("kitchen.nothing")
    held = client.begin("kitchen.hold", "held", str(gate))
    scene.wait_for_note("held")
    source = """
await open();
await until("all is there", async () => (await row("workers", "kitchen/worker-1 " + pids[0]))
  && (await tile("In flight")) === "1");
say(await row("methods", "kitchen.add"));
say(await row("methods", "kitchen.fail"));
for (const code of ["ok", "app_error", "bad_request"]) say((await row("outcomes", code)).Calls);
say(await row("services", "kitchen"));
for (const [at, pid] of pids.entries()) say(await row("workers", `kitchen/worker-${at + 1} ${pid}`));
say(await tile("Workers ready"));
say(await page.$$eval("#charts .words", (all) => all.map((each) => each.textContent)));
"""
    workers = sorted(broker.wait_for_workers("kitchen", 2), key=lambda each: str(each["name"]))
    pids = [each["pid"] for each in workers]
    add, fail, ok, app_error, bad_request, service, *rest = run(
        scene, broker, f"const pids = {json.dumps(pids)};" + source
    )
    gate.touch()
    client.finish(held)
    assert (add["ok"], add["Failed"]) == ("37", "0")
    assert (fail["ok"], fail["Failed"]) == ("0", "3")
    assert (ok, app_error, bad_request) == ("37", "3", "1")
    assert service["State"] == "ready" and service["Workers"] == "2 of 2"
    assert (service["In flight"], service["Queue"], service["Abandoned"]) == ("1", "0", "0")
    *shown, tile, words = rest
    assert sorted(each["Runs, for"].split(",")[0] for each in shown) == ["idle", "kitchen.hold"]
    assert {each["Holds"] for each in shown} == {"0 of 256", "1 of 256"}
    assert tile == "2 of 2"
    assert words[0].startswith("37 ok and 4 failed;")
    assert words[2].startswith("0 queued and 1 in flight;")


def test_a_page_that_is_opened_later_has_the_past(
    scene: Scene, broker: Broker, pool: Program, client: Client
) -> None:
    client.ok("kitchen.add", 1)
    source = """
const later = await (await fetch(`${url}/v1/live?after=0`)).json();
say(later.samples.length > 1 && later.samples.reduce((all, each) => all + each.ok, 0));
await open();
say(await page.textContent("#charts .words"));
"""
    wait_until(lambda: broker.results("kitchen.add") == 1, "it is not counted")
    program = start(scene, broker, "await page.waitForTimeout(1100);" + source)
    seen, words = said(program)
    assert seen == 1 and words.startswith("1 ok and 0 failed;")


def test_a_worker_that_is_killed_is_shown_within_two_seconds(
    scene: Scene, broker: Broker, pool: Program
) -> None:
    victim = broker.wait_for_workers("kitchen", 2)[0]
    source = f"""
const [name, pid] = {json.dumps([victim["name"], victim["pid"]])};
await open();
await until("it is there", () => row("workers", `${{name}} ${{pid}}`));
const began = Date.now();
process.kill(pid, "SIGKILL");
await page.waitForSelector(`#crash-list [data-pid="${{pid}}"]`);
say(Date.now() - began);
await until("its row is gone", async () => !(await row("workers", `${{name}} ${{pid}}`)));
say(Date.now() - began);
say(await page.innerText(`#crash-list [data-pid="${{pid}}"] summary`));
await until("another is there", async () => (await tile("Workers ready")) === "2 of 2");
say((await row("services", "kitchen")).Restarts);
"""
    crash_ms, row_ms, summary, restarts = run(scene, broker, source)
    assert crash_ms < 2000 and row_ms < 2000
    assert victim["name"] in summary and "signal 9" in summary
    assert restarts == "1"


def test_the_form_calls_a_method(scene: Scene, broker: Broker, pool: Program) -> None:
    scene.pool(broker.backend, "brook:service")
    source = """
await open();
await until("both are offered", async () => (await page.$$eval("#method option", (all) => all.map((each) => each.value)))
  .some((each) => each === "brook.count"));
const result = () => page.innerText("#call-result");
await callIt("kitchen.add", "[20, 22]");
await outcome(/^ok: kitchen.add ran for .* on kitchen.worker-/);
say(await result());
await callIt("kitchen.echo", '{"big": 18446744073709551615}');
await outcome(/^ok: kitchen.echo/);
say(await result());
await callIt("kitchen.fail", '["<img src=x onerror=alert(1)>"]');
await outcome(/^app_error: /);
say([await page.innerText("#call-state"), await page.isHidden("#call-result")]);
await until("the error is listed", () => row("errors", "kitchen.fail app_error"));
say((await row("errors", "kitchen.fail app_error"))["What it said"]);
await callIt("kitchen.add", "[1");
await outcome(/^The arguments are no JSON/);
await callIt("kitchen.add", "7");
await outcome(/^The arguments have to be a JSON array or object/);
await page.fill("#timeout", "20ms");
await callIt("kitchen.nap", "[1]");
await outcome(/^deadline_exceeded: /);
await page.fill("#timeout", "soon");
await callIt("kitchen.add", "[1]");
say(await page.$eval("#timeout", (field) => field.validity.patternMismatch));
await page.fill("#timeout", "");
await callIt("brook.count", "[3]");
await outcome(/^ok: brook.count has ended after 3 items/);
say(await result());
await callIt("brook.count", "[100000000]");
await until("items come", async () => (await result()).length > 1000);
await outcome(/^brook.count streams/);
await page.click("#stop-button");
await outcome(/^stopped/);
say(complaints.filter((each) => !each.includes("the server responded with a status of")));
"""
    added, echoed, failed, listed, mismatch, counted, complaints = run(scene, broker, source)
    assert added == "42"
    assert echoed == '[[], {"big": 18446744073709551615}]'
    assert "<img src=x onerror=alert(1)>" in failed[0] and failed[1]
    assert "<img src=x onerror=alert(1)>" in listed
    assert mismatch
    assert counted.split() == ["0", "1", "2"]
    assert complaints == []
    wait_until(lambda: broker.service("brook")["in_flight"] == 0, "the stream was not cancelled")


def test_the_form_has_a_field_for_each_parameter(scene: Scene, broker: Broker) -> None:
    Atelier(scene, broker)
    source = """
await open();
await until("it is offered", async () => (await page.$$("#method option")).length > 5);
const choose = async (method, field) => { await page.selectOption("#method", method); await page.waitForSelector(field); };
await choose("atelier.delete", "#parameter-template");
say([await page.isHidden("#arguments"), await page.innerText("#parameter-times-help")]);
await page.fill("#parameter-template", "tea ");
await page.fill("#parameter-times", "three");
await page.click("#call-button");
await outcome(/^times is no JSON: three/);
await page.fill("#parameter-times", "3");
await page.click("#call-button");
await outcome(/^ok: atelier.delete/);
say(await page.innerText("#call-result"));
await choose("atelier.scale", "#parameter-drawing");
say(await page.$$eval("#parameter-colour option", (all) => all.map((each) => each.textContent)));
await page.fill("#parameter-drawing", '{"title": "x", "points": [{"x": 1}]}');
await page.selectOption("#parameter-colour", '"blue"');
await page.click("#call-button");
await outcome(/^ok: atelier.scale/);
say(JSON.parse(await page.innerText("#call-result")));
await page.check("#as-json");
say([await page.isHidden("#parameter-drawing"), await page.isHidden("#arguments")]);
say(complaints);
"""
    json_field, times, colours, scaled, switched, complaints = run(scene, broker, source)
    assert json_field == [True, "a whole number; 1 if left out"]
    assert times == '"tea tea tea "'
    assert colours == ["(not given)", "red", "blue", "default"]
    assert scaled["colour"] == "blue" and scaled["points"] == [{"x": 2.0, "y": 1.0}]
    assert switched == [True, False]
    assert complaints == []


def test_nothing_leaves_its_origin(scene: Scene, broker: Broker, pool: Program) -> None:
    source = """
const asked = [];
page.on("request", (request) => asked.push(request.url()));
await open();
await until("some looks", () => asked.filter((each) => each.includes("/v1/live")).length >= 3);
say(asked.filter((each) => !each.startsWith(url + "/") && !each.startsWith("data:")));
say(complaints);
const policy = (await (await fetch(url)).headers).get("content-security-policy");
say(policy);
say(await page.evaluate(() => fetch("http://192.0.2.1/").then(() => "went", () => "refused")));
say(complaints.some((each) => each.includes("Content Security Policy")));
"""
    elsewhere, complaints, policy, tried, refused = run(scene, broker, source)
    assert elsewhere == [] and complaints == []
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy
    assert tried == "refused" and refused


def test_the_keyboard_reaches_everything_and_the_focus_is_seen(
    scene: Scene, broker: Broker, pool: Program, client: Client
) -> None:
    client.call("kitchen.die", "SIGKILL")
    source = """
await open();
await page.waitForSelector("#crash-list summary");
await page.evaluate(() => { let at = 0; for (const each of document.querySelectorAll(
  "a, button, input, select, textarea, summary, [tabindex]")) each.dataset.at = String(at++); });
const wanted = await page.evaluate(() => [...document.querySelectorAll("[data-at]")]
  .filter((each) => each.checkVisibility() && each.tabIndex >= 0 && !(each.type === "radio" && !each.checked))
  .map((each) => each.dataset.at));
const reached = new Set();
const unseen = [];
for (let presses = 0; presses < wanted.length + 5; presses++) {
  await page.keyboard.press("Tab");
  const [at, isSeen] = await page.evaluate(() => {
    const style = getComputedStyle(document.activeElement);
    return [document.activeElement.dataset.at, style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2];
  });
  if (at) reached.add(at);
  if (at && !isSeen) unseen.push(at);
}
say(wanted.length);
say(wanted.filter((each) => !reached.has(each)));
say(unseen);
await page.focus("#method");
await page.keyboard.type("kitchen.add");
await page.waitForSelector("#parameter-left");
await page.keyboard.press("Tab");
await page.keyboard.type("1");
await page.keyboard.press("Enter");
await outcome(/^ok: kitchen.add/);
say(await page.innerText("#call-result"));
"""
    wanted, missed, unseen, result = run(scene, broker, source)
    assert wanted > 15 and missed == [] and unseen == []
    assert result == "2"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_wrong_and_a_phone_scrolls_in_one_direction_only(
    scene: Scene, broker: Broker, pool: Program, client: Client, scheme: str
) -> None:
    """What axe-core looks for: names, roles, landmarks, tables, contrast ... Leaves screenshots behind."""
    for number in range(500):
        client.ok("kitchen.add", number)
        if number % 25 == 0:
            client.call("kitchen.fail", "a" * 300)
    client.call("kitchen.die", "SIGSEGV")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    source = f"""
const folder = {json.dumps(str(SCREENSHOTS))}, scheme = {json.dumps(scheme)};
await page.emulateMedia({{ colorScheme: scheme }});
await open();
await page.waitForSelector("#crash-list summary");
await page.click("#crash-list summary");
await page.click("#charts summary");
await until("the errors are there", () => row("errors", "kitchen.fail app_error"));
await callIt("kitchen.echo", '["' + "b".repeat(400) + '"]');
await outcome(/^ok/);
await page.uncheck("#as-json");
await page.selectOption("#method", "kitchen.add");
await page.waitForSelector("#parameter-left");
"""
    source += """
const source = (await import("node:fs")).readFileSync(require.resolve("axe-core"), "utf8");
await page.evaluate(source);
const { violations } = await page.evaluate(() => axe.run({ resultTypes: ["violations"] }));
say(violations.map((each) => [each.id, each.nodes.map((node) => node.html).slice(0, 3)]));
await page.screenshot({ path: `${folder}/page-${scheme}.png`, fullPage: true });
const widths = [];
for (const width of [390, 320]) {
  await page.setViewportSize({ width, height: 844 });
  await page.waitForTimeout(200);
  widths.push(await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]));
  if (width === 390) await page.screenshot({ path: `${folder}/page-phone-${scheme}.png`, fullPage: true });
}
say(widths);
"""
    violations, widths = run(scene, broker, source)
    assert violations == []
    for scrolled, width in widths:
        assert scrolled <= width


def test_it_says_that_the_broker_does_not_answer_and_since_when(
    scene: Scene, broker: Broker, pool: Program
) -> None:
    gate = scene.path("gate")
    source = f"""
const gate = {json.dumps(str(gate))};
await open();
say(await page.title());
await page.waitForSelector("#state[data-state=stale]");
say(await page.innerText("#state"));
say(await page.innerText("#problem"));
writeFileSync(gate, "");
await live();
say(await page.isHidden("#problem"));
await page.waitForSelector("#state[data-state=stale]");
say(await page.innerText("#state"));
say(await page.innerText("#problem"));
"""
    program = start(scene, broker, source)
    program.wait_for_line("Samovar")
    with frozen(broker.pid):
        wait_until(gate.exists, "the page did not notice")
    program.wait_for_line("true")
    broker.signal(signal.SIGKILL)
    title, short, long, hidden, gone, reached = said(program)
    assert title == "Samovar"
    assert short == "The broker does not answer" and "has not answered since" in long
    assert "as of" in long
    assert hidden
    assert gone == "samovard cannot be reached" and "as of" in reached


def test_it_asks_for_the_token_where_there_is_one(scene: Scene) -> None:
    scene.path("token").write_text("sesame\n")
    http = f'[http]\nlisten = "127.0.0.1:0"\ntoken_file = "{scene.path("token")}"\n'
    broker = scene.broker(config=http)
    scene.pool(broker.backend)
    source = """
const asked = [];
page.on("request", (request) => asked.push(request.url()));
await page.goto(url);
await page.waitForSelector("#token-form:not([hidden])");
say(await page.innerText("#state"));
await page.keyboard.type("sesam");
await page.keyboard.press("Enter");
await until("it is refused", async () => /not the token/.test(await page.innerText("#token-wrong")));
await page.fill("#token", "sesame");
await page.keyboard.press("Enter");
await live();
say(await page.isHidden("#token-form"));
await until("a method is offered", () => page.$('#method option[value="kitchen.add"], #method option'));
await callIt("kitchen.add", "[1]");
await outcome(/^ok/);
await page.reload();
await live();
say(asked.filter((each) => each.includes("sesam")));
"""
    state, hidden, leaked = run(scene, broker, source)
    assert state == "A token is needed" and hidden and leaked == []


def test_without_the_right_to_see_it_it_says_so(scene: Scene, keys: Any) -> None:
    keys.samovar("keygen", "web")
    keys.allow("web", calls=["kitchen"])
    broker = keys.broker(f'[http]\nlisten = "127.0.0.1:0"\nkey = "{scene.path("web.key")}"\n')
    source = """
await page.goto(url);
await page.waitForSelector("#state[data-state=stale]");
say(await page.innerText("#state"));
say(await page.innerText("#problem"));
"""
    short, long = run(scene, broker.program, source)
    assert short == "No access" and "may not administer" in long
