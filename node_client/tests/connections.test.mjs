// Which links there are: as the list of brokers changes, and as they age.
import assert from "node:assert/strict";
import test from "node:test";

import { Connections } from "../dist/connections.js";
import { MAX_LINKS } from "../dist/limits.js";
import { Random } from "../dist/random.js";
import { World } from "./world.mjs";

// Connections that are only counted.
class Stage extends World {
  open = new Map(); // by link

  constructor(maxAge = 0) {
    super(0);
    const open = (link) => {
      if (link.endpoint === "nonsense") throw new TypeError(link.endpoint);
      this.open.set(link, link.endpoint);
      return () => assert.ok(this.open.delete(link));
    };
    this.connections = new Connections(this.session.links, open, maxAge, new Random(1));
  }
  at(ms) {
    super.at(ms);
    this.connections.tick(this.now);
  }
  get endpoints() {
    return [...this.open.values()].sort();
  }
}

test("there is a link to each broker that is known, and none to others", () => {
  const stage = new Stage();
  stage.connections.want(["ipc://a", "ipc://b"]);
  assert.deepEqual(stage.endpoints, ["ipc://a", "ipc://b"]);
  stage.connections.want(["ipc://b", "ipc://c"]);
  stage.at(0);
  assert.deepEqual(stage.endpoints, ["ipc://b", "ipc://c"]);
  stage.connections.want([]);
  stage.at(0);
  assert.deepEqual(stage.endpoints, []);
  assert.throws(() => stage.connections.want(["ipc://d", "nonsense"]), TypeError);
  assert.deepEqual(stage.endpoints, ["ipc://d"]);
  assert.equal(stage.links.length, 1);
});

test("a broker that leaves the list and comes back at once has a new link", () => {
  const stage = new Stage();
  stage.connections.want(["ipc://a"]);
  const [old] = stage.links;
  stage.connections.want([]);
  stage.connections.want(["ipc://a"]);
  stage.at(0);
  assert.deepEqual(stage.endpoints, ["ipc://a"]);
  assert.notEqual(stage.links[0], old);
});

test("of too many brokers as many as there may be have a link", () => {
  const stage = new Stage(1000);
  stage.connections.want(Array.from({ length: 100 }, (_, i) => `ipc://${i}`));
  assert.equal(stage.open.size, MAX_LINKS);
  stage.connect(stage.links[0]);
  for (const ms of [0, 2000]) stage.at(ms);
  assert.equal(stage.open.size, MAX_LINKS, "there is no room for one that follows");
  assert.equal(stage.connections.nextDeadline(), Infinity);
});

test("an old link goes when the one that follows it is ready and its last call has ended", () => {
  const stage = new Stage(60_000);
  stage.connections.want(["ipc://a"]);
  const [old] = stage.links;
  assert.equal(stage.connections.nextDeadline(), Infinity);
  stage.connect(old);
  stage.at(0);
  const age = stage.connections.nextDeadline() - stage.now;
  assert.ok(age >= 45_000 && age <= 75_000);
  const call = stage.call({ timeout: 10 * age });
  assert.equal(stage.requests(old)[0].id, call.id);

  stage.at(age);
  assert.deepEqual(stage.endpoints, ["ipc://a", "ipc://a"]);
  assert.ok(!old.retiring);
  const next = stage.links[1];
  stage.at(60_000);
  assert.ok(!old.retiring, "the one that follows is not ready");
  assert.equal(stage.connections.nextDeadline(), Infinity);
  stage.connect(next);
  stage.at(0);
  assert.ok(old.retiring);
  assert.equal(stage.open.size, 2);
  stage.reply(call.id, { link: old });
  assert.equal(stage.word(call), "ok");
  stage.at(0);
  assert.deepEqual([...stage.open.keys()], [next]);
  assert.ok(stage.connections.nextDeadline() > stage.now, "which is renewed in its turn");
});

test("a link that breaks after the one that follows it was begun does not stay for ever", () => {
  const stage = new Stage(60_000);
  stage.connections.want(["ipc://a"]);
  const [old] = stage.links;
  stage.connect(old);
  stage.at(0);
  stage.at(75_000);
  const next = stage.links[1];
  stage.disconnect(old);
  stage.connect(next);
  stage.at(0);
  assert.deepEqual([...stage.open.keys()], [next]);
});
