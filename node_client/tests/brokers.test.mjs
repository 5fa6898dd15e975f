// A session with several brokers: who gets which call, and what becomes of calls when one of them fails.
import assert from "node:assert/strict";
import test from "node:test";

import { encode } from "@msgpack/msgpack";

import { CallBudget } from "../dist/budget.js";
import { better, Health } from "../dist/health.js";
import * as limits from "../dist/limits.js";
import { Flag, Kind } from "../dist/wire.js";
import { World } from "./world.mjs";

const STATUS = { unavailable: 4, overloaded: 5 };

function several(count) {
  const world = new World(count);
  world.links.forEach((link) => world.connect(link));
  return world;
}

// All requests that are to be sent now, pings included, each with its link.
function requests(world) {
  return world.links.flatMap((link) => world.requests(link).map((request) => ({ ...request, link })));
}

function request(world) {
  const all = requests(world);
  assert.equal(all.length, 1);
  return all[0];
}

const reply = (world, { id, attempt, link }, status = 0) => world.reply(id, { attempt, status, link });

// A call that this broker holds.
function heldBy(world, link, options) {
  const others = world.links.filter((each) => each !== link);
  others.forEach((each) => (each.busy = true));
  const call = world.call(options);
  const sent = request(world);
  others.forEach((each) => (each.busy = false));
  return { call, sent };
}

function allGoTo(world, link) {
  for (let i = 0; i < 20; ++i) {
    world.call();
    const sent = request(world);
    assert.equal(sent.link, link);
    reply(world, sent);
  }
}

test("calls go to the broker that is up", () => {
  const world = new World(2);
  const call = world.call();
  world.connect(world.links[1]);
  assert.equal(request(world).id, call.id);
});

test("calls one after the other go to all brokers alike", () => {
  const world = several(3);
  const count = new Map();
  for (let i = 0; i < 600; ++i) {
    world.call();
    const sent = request(world);
    count.set(sent.link, (count.get(sent.link) ?? 0) + 1);
    reply(world, sent);
  }
  for (const link of world.links) assert.ok(count.get(link) > 160);
});

test("many calls at once are shared out, and a broker that holds more gets less", () => {
  const world = several(3);
  for (let i = 0; i < 300; ++i) world.call();
  requests(world);
  for (const link of world.links) assert.ok(link.sent.size > 50);

  const unequal = several(2);
  for (let i = 0; i < 40; ++i) unequal.call();
  const [idle] = unequal.links;
  for (const sent of requests(unequal)) if (sent.link === idle) reply(unequal, sent);
  for (let i = 0; i < 10; ++i) {
    unequal.call();
    assert.equal(request(unequal).link, idle);
  }
});

test("a broker whose replies take twice as long counts so many times more", () => {
  assert.ok(better(0, 100, 1, 100));
  assert.ok(!better(1, 100, 1, 100));
  assert.ok(!better(1, 60, 1, 100), "that is chance");
  assert.ok(better(1, 40, 1, 100));
  assert.ok(better(3, 100, 1, 1000));
  assert.ok(!better(30, 100, 1, 1000));
  assert.ok(better(0, 100, 1, 0), "nothing is known of the other");
});

test("an old latency counts less and less", () => {
  const health = new Health();
  assert.equal(health.latency(1000), 0);
  health.took(1, 1000);
  assert.equal(health.latency(1000), 1);
  assert.equal(health.latency(3000), 0.25);
});

test("a broker whose socket is full gets nothing", () => {
  const world = several(2);
  const [left, right] = world.links;
  left.busy = true;
  allGoTo(world, right);
  right.busy = true;
  const call = world.call();
  assert.deepEqual(requests(world), []);
  left.busy = false;
  assert.equal(request(world).id, call.id);
});

test("when a broker is lost, what may run twice goes to another one, and the rest ends and names it", () => {
  const world = several(2);
  const [left, right] = world.links;
  const twice = heldBy(world, left, { flags: Flag.idempotent });
  const once = heldBy(world, left);
  world.disconnect(left);
  assert.equal(world.word(once.call), "broker_lost");
  assert.equal(world.ended.get(once.call).endpoint, left.endpoint);
  const again = request(world);
  assert.deepEqual([again.link, again.id, again.attempt], [right, twice.call.id, 2]);
  reply(world, again);
  assert.equal(world.word(twice.call), "ok");
  assert.equal(world.ended.get(twice.call).endpoint, right.endpoint);
});

test("a reply counts only from the broker that was asked", () => {
  const world = several(2);
  const [left, right] = world.links;
  const { call, sent } = heldBy(world, left);
  reply(world, { ...sent, link: right });
  assert.equal(world.word(call), undefined);
  assert.equal(world.session.counters.lateReplies, 1);
});

for (const [word, status] of Object.entries(STATUS)) {
  test(`what a broker refuses as ${word} goes on to each of the others once`, () => {
    const world = several(3);
    const call = world.call();
    const asked = new Set();
    for (let attempt = 1; attempt <= 3; ++attempt) {
      assert.equal(world.word(call), undefined);
      const sent = request(world);
      assert.equal(sent.attempt, attempt);
      asked.add(sent.link);
      reply(world, sent, status);
    }
    assert.equal(asked.size, 3);
    assert.equal(world.word(call), word);
    assert.equal(world.session.counters.moved, 2);
  });
}

test("what is overloaded goes on within the budget only", () => {
  const world = several(2);
  for (let i = 0; i < 20; ++i) {
    world.call();
    reply(world, request(world), STATUS.overloaded);
    requests(world).forEach((again) => reply(world, again));
  }
  const { moved, overBudget } = world.session.counters;
  assert.deepEqual([moved, overBudget], [11, 9], "ten at the start, and a tenth of twenty but for what comes too late");
});

test("the budget saves up a hundred at most", () => {
  const budget = new CallBudget();
  for (let i = 0; i < 10_000; ++i) budget.earn();
  let spent = 0;
  while (budget.spend()) spent += 1;
  assert.equal(spent, limits.RETRIES_SAVED);
});

test("what is refused while no other broker takes calls has its outcome", () => {
  const world = several(2);
  const call = world.call({ timeout: 1000 });
  const refused = request(world);
  world.links.forEach((link) => (link.busy = link !== refused.link));
  reply(world, refused, STATUS.unavailable);
  assert.equal(world.word(call), "unavailable");
});

test("a broker that drains gets nothing more, and what it refuses goes on", () => {
  const world = several(2);
  const [left, right] = world.links;
  const { call, sent } = heldBy(world, left);
  world.receive(Kind.drain, left.epoch, [{}], left);
  reply(world, sent, STATUS.unavailable);
  const moved = request(world);
  assert.deepEqual([moved.link, moved.id], [right, call.id]);
  allGoTo(world, right);
  world.receive(Kind.drain, right.epoch, [{}], right);
  const refused = world.call();
  assert.equal(world.word(refused), "unavailable");
  assert.equal(world.why(refused), "the broker at tcp://broker-0 is going away");
});

test("a DRAIN that wants an answer gets it, once", () => {
  const world = several(2);
  const [left] = world.links;
  world.sent(left);
  world.receive(Kind.drain, left.epoch, [{ answer: true }], left);
  const said = world.sent(left);
  assert.deepEqual(said.map(({ kind, epoch, rest }) => [kind, epoch, rest]), [[Kind.drained, left.epoch, [{}]]]);
  world.receive(Kind.drain, left.epoch, [{}], left);
  assert.deepEqual(world.sent(left), []);
});

test("a moved call that no broker takes any more ran nowhere", () => {
  const world = several(2);
  const [left, right] = world.links;
  const { call, sent } = heldBy(world, left);
  world.receive(Kind.drain, left.epoch, [{}], left);
  reply(world, sent, STATUS.unavailable);
  world.receive(Kind.drain, right.epoch, [{}], right);
  assert.equal(world.word(call), "unavailable");
});

test("with one broker gone and the other draining, calls wait for the one", () => {
  const world = several(2);
  const [left, right] = world.links;
  world.disconnect(left);
  world.receive(Kind.drain, right.epoch, [{}], right);
  const call = world.call();
  assert.deepEqual(requests(world), []);
  assert.equal(world.word(call), undefined);
  world.connect(left);
  const sent = request(world);
  assert.deepEqual([sent.link, sent.id], [left, call.id]);
});

test("a broker that refuses this client does not end calls that another may take", () => {
  const world = new World(2);
  const call = world.call();
  world.session.unauthorized(world.links[0], "does not know this client's key", world.now);
  world.deliver();
  assert.equal(world.word(call), undefined);
  world.connect(world.links[1]);
  assert.equal(request(world).id, call.id);
});

// A broker that has let the time of two calls pass, and the ping that it gets.
function silent() {
  const world = several(2);
  const [left, right] = world.links;
  const calls = [1, 2].map(() => heldBy(world, left, { timeout: 1000 }).call);
  world.at(1000 + limits.DEADLINE_GRACE);
  for (const call of calls) assert.equal(world.word(call), "deadline_exceeded");
  assert.deepEqual(requests(world), []); // but CANCEL
  allGoTo(world, right);
  const wait = world.session.nextDeadline() - world.now;
  assert.ok(wait > 0 && wait <= limits.EJECTED);
  world.at(wait);
  const ping = request(world);
  assert.deepEqual([ping.link, ping.id, ping.method, ping.timeoutUs], [left, 0, "samovar.ping", limits.PING * 1000]);
  allGoTo(world, right);
  return { world, left, right, ping };
}

test("a broker that said nothing gets calls again when it has answered a ping", () => {
  const { world, ping } = silent();
  reply(world, ping);
  assert.equal(world.session.counters.lateReplies, 0);
  const used = new Set();
  for (let i = 0; i < 20; ++i) {
    world.call();
    used.add(request(world).link);
  }
  assert.equal(used.size, 2);
  assert.equal(world.session.nextDeadline(), world.now + 5000 + limits.DEADLINE_GRACE);
});

test("a broker that does not answer its ping is left alone for twice as long", () => {
  const { world, right } = silent();
  world.at(limits.PING);
  const wait = world.session.nextDeadline() - world.now;
  assert.ok(wait >= limits.EJECTED && wait < 2 * limits.EJECTED);
  allGoTo(world, right);
  for (let i = 0; i < 60; ++i) world.at(world.session.nextDeadline() - world.now);
  assert.ok(world.session.nextDeadline() - world.now <= limits.EJECTED_LONGEST);
});

test("a broker that failed gets calls if it is the only one left", () => {
  const { world, left, right } = silent();
  world.disconnect(right);
  allGoTo(world, left);
});

test("a broker whose connection broke is pinged when it is back, and one that had drained is not", () => {
  const world = several(3);
  const [left, middle] = world.links;
  world.receive(Kind.drain, middle.epoch, [{}], middle);
  [left, middle].forEach((link) => world.disconnect(link));
  [left, middle].forEach((link) => world.connect(link));
  assert.deepEqual(world.links.map((link) => link.isSuspect()), [true, false, false]);
  world.at(limits.EJECTED);
  assert.equal(request(world).link, left);
});

test("a client of one broker pings nobody", () => {
  const world = several(1);
  world.call({ timeout: 10 });
  world.sent();
  world.at(10 + limits.DEADLINE_GRACE);
  world.disconnect();
  world.connect();
  assert.ok(!world.links[0].isSuspect());
});

test("a link that is retired ends what it has, takes nothing more, and is over then", () => {
  const world = several(2);
  const [left, right] = world.links;
  const { call, sent } = heldBy(world, left);
  left.retiring = true;
  assert.ok(!left.isOver());
  allGoTo(world, right);
  reply(world, sent);
  assert.equal(world.word(call), "ok");
  assert.ok(left.isOver());
  world.session.links.remove(left);
  assert.deepEqual(world.links, [right]);
});

test("a link that still has to say CANCEL is not over", () => {
  const world = several(2);
  const [left] = world.links;
  const { call } = heldBy(world, left);
  left.retiring = true;
  world.cancel(call);
  assert.ok(!left.isOver());
  assert.equal(world.sent(left)[0].kind, Kind.cancel);
  assert.ok(left.isOver());
});

test("without any broker a call's error says why", () => {
  const world = new World(0);
  world.session.links.whyNone = "'brokers.test' has no address";
  const call = world.call({ timeout: 1000 });
  world.at(1000);
  assert.equal(world.word(call), "unavailable");
  assert.equal(world.why(call), "no broker is known: 'brokers.test' has no address");
});

test("each broker is told a schema before the first call that was built against it", () => {
  const world = several(2);
  const schema = { hash: 7, tail: encode([[7, {}], null, null]).subarray(1) };
  const said = new Map(world.links.map((link) => [link, []]));
  for (let i = 0; i < 40; ++i) {
    world.call({ schema });
    for (const { link, method } of requests(world)) said.get(link).push(method);
  }
  for (const methods of said.values()) {
    assert.equal(methods[0], "samovar.declare");
    assert.equal(methods.filter((method) => method === "samovar.declare").length, 1);
    assert.ok(methods.length > 1);
  }
});
