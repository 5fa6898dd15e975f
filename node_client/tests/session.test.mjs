// The session with a fake clock and a broker that is a list of messages: every call has exactly one outcome.
import assert from "node:assert/strict";
import test from "node:test";

import { encode } from "@msgpack/msgpack";

import { Deadlines } from "../dist/deadlines.js";
import { Flag, Kind } from "../dist/wire.js";
import { BROKER, connected, random, TAIL, World } from "./world.mjs";

test("a call waits for the broker, is sent once and ends with its reply", () => {
  const world = new World();
  const call = world.call();
  assert.deepEqual(world.sent(), []);
  world.connect();
  const [request] = world.requests();
  assert.deepEqual([request.id, request.attempt, request.timeoutUs, request.method], [call.id, 1, 5_000_000, "a.b"]);
  world.reply(call.id);
  assert.equal(world.word(call), "ok");
  world.reply(call.id);
  assert.equal(world.session.counters.lateReplies, 1);
  assert.equal(world.session.nextDeadline(), Infinity);
});

test("calls that wait together share a message, up to its limits", () => {
  const world = connected();
  for (let i = 0; i < 3; ++i) world.call();
  const messages = world.sent();
  assert.equal(messages.length, 1);
  assert.equal(messages[0].rest.length, 1 + 3 * 8);
  for (let i = 0; i < 3; ++i) world.call({ tail: Buffer.concat([TAIL, Buffer.alloc(4000)]) });
  assert.equal([1, 2].filter(() => world.session.nextMessage(world.now)).length, 2);
});

test("a call beyond max_body ends as too_large, the others go", () => {
  const world = connected();
  const large = world.call({ attachments: [Buffer.alloc(20_000)] });
  const small = world.call();
  assert.deepEqual(world.requests().map(({ id }) => id), [small.id]);
  assert.equal(world.word(large), "too_large");
});

test("the broker has the first word at the deadline, the client the last", () => {
  const world = connected();
  const [answered, silent] = [world.call(), world.call()];
  world.sent();
  world.at(5050);
  assert.equal(world.word(answered), undefined);
  world.reply(answered.id, { status: 6 });
  assert.equal(world.word(answered), "deadline_exceeded");
  world.at(60);
  assert.equal(world.word(silent), "deadline_exceeded");
  assert.match(world.why(silent), /the broker said nothing/);
  const [cancel] = world.sent();
  assert.deepEqual([cancel.kind, cancel.rest], [Kind.cancel, [silent.id]]);
  world.reply(silent.id);
});

test("without a broker a call ends as unavailable at its deadline", () => {
  const world = new World(2);
  const call = world.call({ timeout: 100 });
  assert.equal(world.session.nextDeadline(), world.now + 100);
  world.at(100);
  assert.equal(world.word(call), "unavailable");
  assert.match(world.why(call), /no broker answers at tcp:\/\/broker-0 or tcp:\/\/broker-1: is samovard running/);
});

test("a broker that does not answer HELLO is told from none, and is greeted again", () => {
  const world = new World();
  world.session.connected(world.links[0], world.now);
  const [first] = world.sent();
  const call = world.call({ timeout: 100 });
  world.at(100);
  assert.match(world.why(call), /takes connections, but does not answer/);
  world.at(4900);
  const [second] = world.sent();
  assert.equal(second.kind, Kind.hello);
  assert.notEqual(second.rest[0].nonce, first.rest[0].nonce);
});

test("without a timeout of its own a call is bounded by the broker's longest", () => {
  const world = connected();
  const call = world.call({ timeout: null });
  assert.equal(world.requests()[0].timeoutUs, 0);
  world.at(80_000);
  assert.equal(world.word(call), undefined);
  world.at(11_000);
  assert.equal(world.word(call), "deadline_exceeded");
});

test("messages of another epoch, answers to another HELLO, and unknown ids change nothing", () => {
  const world = connected();
  const call = world.call();
  world.sent();
  world.reply(call.id, { epoch: world.links[0].epoch - 1 });
  world.receive(Kind.hello, 9, [{ ...BROKER, nonce: world.links[0].nonce }]);
  world.receive(Kind.hello, 9, [{ ...BROKER, nonce: 4 }]);
  world.receive(Kind.probe, 0, []);
  assert.equal(world.session.counters.staleMessages, 3);
  world.reply(call.id + 1);
  assert.equal(world.session.counters.lateReplies, 1);
  assert.equal(world.word(call), undefined);
  world.reply(call.id);
  assert.equal(world.word(call), "ok");
});

test("malformed messages are counted and dropped", () => {
  const world = connected();
  const call = world.call();
  world.sent();
  world.receive(Kind.request, world.links[0].epoch, [0]);
  world.session.message(world.links[0], [Buffer.from("GET / HTTP/1.1")], world.now);
  world.session.message(world.links[0], [Buffer.from(encode([2, 3, 4]))], world.now);
  assert.equal(world.session.counters.malformed, 3);
  assert.match(world.links[0].lastMalformed, /speaks version 2/);
  world.reply(call.id, { status: 200 });
  assert.equal(world.word(call), "internal");
});

for (const [how, lose] of [
  ["its connection breaks", (world) => world.disconnect()],
  ["its connection is made anew", (world) => world.session.connected(world.links[0], world.now)],
  ["the broker does not know it any more", (world) => world.receive(Kind.registerAgain, 0, [{}])],
]) {
  test(`when ${how}, only what is idempotent is sent again`, () => {
    const world = connected();
    const once = world.call();
    const twice = world.call({ flags: Flag.idempotent });
    world.sent();
    const later = world.call();
    lose(world);
    world.deliver();
    assert.equal(world.word(once), "broker_lost");
    assert.match(world.why(once), /may have run/);
    if (world.links[0].state === "disconnected") world.session.connected(world.links[0], world.now);
    world.sent();
    world.welcome();
    assert.deepEqual(
      world.requests().map(({ id, attempt }) => [id, attempt]),
      [
        [twice.id, 2],
        [later.id, 1],
      ],
    );
    world.reply(twice.id, { attempt: 1 });
    assert.equal(world.word(twice), undefined, "a reply to the first attempt is late");
    world.reply(twice.id, { attempt: 2 });
    assert.equal(world.word(twice), "ok");
  });
}

test("REGISTER_AGAIN is ignored while a HELLO is unanswered", () => {
  const world = new World();
  world.session.connected(world.links[0], world.now);
  assert.equal(world.sent().length, 1);
  world.receive(Kind.registerAgain, 0, [{}]);
  assert.equal(world.sent().length, 0);
});

test("an idempotent call that no broker takes again in time has perhaps run", () => {
  const world = connected();
  const call = world.call({ flags: Flag.idempotent });
  world.sent();
  world.disconnect();
  world.at(5000);
  assert.equal(world.word(call), "broker_lost");
});

test("while the broker drains, what it has ends, and new calls are refused", () => {
  const world = connected();
  const held = world.call();
  world.sent();
  const waiting = world.call();
  world.receive(Kind.drain, world.links[0].epoch, [{}]);
  assert.equal(world.word(waiting), "unavailable");
  assert.equal(world.word(world.call()), "unavailable");
  world.reply(held.id);
  assert.equal(world.word(held), "ok");
  world.disconnect();
  const next = world.call();
  world.connect();
  assert.equal(world.requests()[0].id, next.id);
});

test("a call that a lost broker held has perhaps run, also where the next broker drains", () => {
  const world = connected();
  const call = world.call({ flags: Flag.idempotent });
  world.sent();
  world.disconnect();
  world.connect();
  world.receive(Kind.drain, world.links[0].epoch, [{}]);
  assert.equal(world.word(call), "broker_lost");
});

test("a HELLO that answers another one of ours, or none, opens nothing", () => {
  const world = new World();
  const [link] = world.links;
  world.session.connected(link, world.now);
  world.welcome();
  assert.equal(link.state, "greeting", "nothing has been said yet");
  world.sent();
  world.receive(Kind.hello, 9, [{ ...BROKER, nonce: link.nonce - 1 }]);
  assert.equal(link.state, "greeting");
  world.welcome();
  assert.equal(link.state, "ready");
});

test("what was to be said under an epoch is not said under the next one", () => {
  const world = connected();
  const calls = [world.call(), world.call({ flags: Flag.stream })];
  world.sent();
  world.session.widen(calls[1], 20);
  world.cancel(calls[0]);
  world.disconnect();
  world.connect();
  assert.deepEqual(world.sent(), []);
});

test("a HELLO that is refused ends all calls until there is another connection", () => {
  const world = new World();
  const before = world.call();
  world.session.connected(world.links[0], world.now);
  world.sent();
  world.receive(Kind.protocolError, 0, [{ message: "speaks 2", got: 1, speaks: [2] }]);
  assert.equal(world.word(before), "protocol_error");
  assert.equal(world.word(world.call()), "protocol_error");
  world.at(60_000);
  assert.equal(world.sent().length, 0);
  world.disconnect();
  const after = world.call();
  assert.equal(world.word(after), undefined);
  world.connect();
  assert.equal(world.requests()[0].id, after.id);
});

test("a HELLO that is unauthorized is said again after 5 s", () => {
  const world = new World();
  world.session.connected(world.links[0], world.now);
  world.sent();
  world.receive(Kind.protocolError, 0, [{ message: "not you", unauthorized: true }]);
  assert.equal(world.word(world.call()), "unauthorized");
  world.at(5000);
  assert.equal(world.sent()[0].kind, Kind.hello);
});

test("a refused handshake ends calls at once, and is forgotten after 2 s", () => {
  const world = new World();
  const before = world.call();
  world.session.unauthorized(world.links[0], "does not know this client's key", world.now);
  world.deliver();
  assert.equal(world.word(before), "unauthorized");
  world.at(1999);
  assert.equal(world.word(world.call()), "unauthorized");
  world.at(1);
  assert.equal(world.word(world.call()), undefined);
  world.session.unauthorized(world.links[0], "does not know this client's key", world.now);
  world.connect();
  world.disconnect();
  assert.equal(world.word(world.call()), undefined, "a connection is as good as two seconds");
});

test("a PROTOCOL_ERROR ends what was sent", () => {
  const world = connected();
  const call = world.call();
  world.sent();
  world.receive(Kind.protocolError, world.links[0].epoch, [{ message: "no array" }]);
  assert.equal(world.word(call), "protocol_error");
});

test("a cancelled call ends at once; the broker hears of it if it had it", () => {
  const world = connected();
  const [sent] = [world.call()];
  world.sent();
  const waiting = world.call();
  world.cancel(sent);
  world.cancel(waiting);
  world.cancel(sent);
  assert.deepEqual([world.word(sent), world.word(waiting)], ["cancelled", "cancelled"]);
  const messages = world.sent();
  assert.deepEqual(messages.map(({ kind, rest }) => [kind, rest]), [[Kind.cancel, [sent.id]]]);
  world.reply(sent.id);
});

test("what cannot be sent is refused at once", () => {
  const world = connected({ maxOutstanding: 1 });
  assert.equal(world.word(world.call({ method: "nothing" })), "bad_request");
  assert.equal(world.word(world.call({ attachments: Array(65).fill(Buffer.alloc(1)) })), "bad_request");
  const first = world.call();
  assert.equal(world.word(world.call()), "overloaded");
  world.sent();
  world.reply(first.id);
  assert.equal(world.word(world.call()), undefined);
});

// --- streams ------------------------------------------------------------------------------------------------

const item = (world, call, seq, value, attempt = 1) =>
  world.receive(Kind.items, world.links[0].epoch, [call.id, attempt, seq, value, null]);

test("items come in order, then the end; the window is told to the broker", () => {
  const world = connected();
  const stream = world.call({ flags: Flag.stream });
  world.sent();
  item(world, stream, 0, "a");
  item(world, stream, 1, "b");
  world.session.widen(stream, 17);
  world.session.widen(stream, 18);
  const [window] = world.sent();
  assert.deepEqual([window.kind, window.rest], [Kind.window, [stream.id, 18]]);
  world.session.widen(stream, 19);
  world.reply(stream.id, { value: null });
  assert.deepEqual(world.items.get(stream), ["a", "b"]);
  assert.equal(world.word(stream), "ok");
  item(world, stream, 2, "late");
  world.session.widen(stream, 30);
  assert.deepEqual(world.sent(), []);
});

test("a gap among items, or an item of a call that is no stream, ends it as protocol_error", () => {
  const world = connected();
  const [stream, call] = [world.call({ flags: Flag.stream }), world.call()];
  world.sent();
  item(world, stream, 1, "b");
  item(world, call, 0, "a");
  assert.deepEqual([world.word(stream), world.word(call)], ["protocol_error", "protocol_error"]);
  assert.deepEqual(world.sent()[0].rest, [stream.id, call.id]);
});

test("a stream is sent again only if no item has come", () => {
  const world = connected();
  const flags = Flag.stream | Flag.idempotent;
  const [begun, fresh] = [world.call({ flags }), world.call({ flags })];
  world.sent();
  item(world, begun, 0, "a");
  world.disconnect();
  assert.equal(world.word(begun), "broker_lost");
  world.connect();
  assert.deepEqual(world.requests().map(({ id, attempt }) => [id, attempt]), [[fresh.id, 2]]);
});

// --- whatever happens ---------------------------------------------------------------------------------------

test("whatever happens in whatever order, every call ends once", () => {
  for (let seed = 1; seed <= 300; ++seed) {
    const below = random(seed);
    const world = new World(1 + below(3));
    const calls = [];
    const pick = (list) => list[below(list.length)];
    const events = [
      () => calls.push(world.call({ timeout: below(4) ? 1 + below(3000) : null, flags: below(8) })),
      () => world.sent(pick(world.links)),
      () => world.session.connected(pick(world.links), world.now),
      () => world.disconnect(pick(world.links)),
      () => world.links.forEach((link) => link.state === "greeting" && (world.sent(link), world.welcome(link))),
      () => world.receive(Kind.registerAgain, 0, [{}], pick(world.links)),
      () => below(4) || ((link) => world.receive(Kind.drain, link.epoch, [{}], link))(pick(world.links)),
      () => below(4) || world.receive(Kind.protocolError, 0, [{ message: "no" }], pick(world.links)),
      () => world.at(below(1000)),
      () => below(4) || world.session.links.add("tcp://another"),
      () => below(4) || (pick(world.links).retiring = true),
      () => world.links.filter((link) => link.isOver() && link !== world.links[0]).forEach((link) => world.session.links.remove(link)),
      () => calls.length && world.cancel(pick(calls)),
      () => calls.length && world.reply(pick(calls).id, { attempt: 1 + below(3), status: below(14), link: pick(world.links) }),
      () => calls.length && item(world, pick(calls), below(2), "x", 1 + below(2)),
      () => calls.length && world.session.widen(pick(calls), below(100)),
    ];
    try {
      for (let step = 0; step < 200; ++step) pick(events)();
      for (let step = 0; step < 200 && world.ended.size < calls.length; ++step) world.at(1000);
      assert.equal(world.ended.size, calls.length);
      assert.ok(world.links.every((link) => link.sent.size === 0));
      assert.deepEqual([world.session.waiting.size, world.session.waiting.bytes, world.session.outstanding], [0, 0, 0]);
      assert.equal(world.session.deadlines.first(), undefined);
    } catch (error) {
      error.message = `seed ${seed}: ${error.message}`;
      throw error;
    }
  }
});

test("the deadlines give what is due first, whatever comes, moves and leaves", () => {
  const below = random(7);
  const deadlines = new Deadlines();
  const there = new Set();
  for (let step = 0; step < 5000; ++step) {
    const any = [...there][below(there.size || 1)];
    const act = below(4);
    if (act < 2 || !any) {
      const call = { due: below(1000), place: 0 };
      there.add(call);
      deadlines.add(call);
    } else if (act === 2) {
      there.delete(any);
      deadlines.remove(any);
    } else {
      deadlines.move(any, below(1000));
    }
    assert.equal(deadlines.first()?.due, there.size ? Math.min(...[...there].map(({ due }) => due)) : undefined);
  }
});

test("a schema is declared once on a connection, before the first call that was built against it", () => {
  const world = connected();
  const schema = (hash) => ({ hash, tail: encode([[hash, {}], null, null]).subarray(1) });
  const [seven, eight] = [schema(7), schema(8)];
  const calls = [undefined, seven, seven, eight].map((each) => world.call({ schema: each }));
  const sent = world.requests();
  const methods = sent.map((each) => each.method);
  assert.deepEqual(methods, ["a.b", "samovar.declare", "a.b", "a.b", "samovar.declare", "a.b"]);
  assert.equal(sent[1].id, 0);
  world.reply(0);
  assert.equal(world.session.counters.lateReplies, 0);
  calls.forEach((call) => world.reply(call.id));
  world.call({ schema: seven });
  assert.deepEqual(world.requests().map((each) => each.method), ["a.b"]);
  world.disconnect();
  world.connect();
  world.call({ schema: seven });
  assert.deepEqual(world.requests().map((each) => each.method), ["samovar.declare", "a.b"]);
});

test("a schema is declared also when the call before has expired meanwhile, and not when it is too large", () => {
  const world = connected();
  world.call({ timeout: 1000 });
  world.call({ schema: { hash: 7, tail: encode([[7, {}], null, null]).subarray(1) } });
  world.now += 2000;
  assert.deepEqual(world.requests().map((each) => each.method), ["samovar.declare", "a.b"]);
  const large = encode([[8, { x: "x".repeat(BROKER.max_body) }], null, null]).subarray(1);
  world.call({ schema: { hash: 8, tail: large } });
  assert.deepEqual(world.requests().map((each) => each.method), ["a.b"]);
});
