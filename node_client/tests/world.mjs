// A session with a fake clock, and brokers that are lists of messages: what the tests of sessions stand on.
import assert from "node:assert/strict";

import { decode, encode } from "@msgpack/msgpack";

import { Call } from "../dist/call.js";
import { WORDS } from "../dist/errors.js";
import { Session } from "../dist/session.js";
import { Kind } from "../dist/wire.js";

export const BROKER = { max_body: 10_000, max_bundle: 1024, heartbeat_ms: 2000, default_timeout_us: 30e6, max_timeout_us: 60e6 };
export const TAIL = encode([[1], null, null]).subarray(1);

// A session, and one broker for each endpoint.
export class World {
  now = 1_000_000;
  ended = new Map(); // by call: what it ended with
  items = new Map();
  epochs = 100;
  outboxes = new Map(); // by link: what was sent and not looked at

  constructor(brokers = 1, options = {}) {
    this.session = new Session({
      name: "test",
      pid: 1,
      clock: "clock",
      nonceSeed: 10,
      maxOutstanding: 1000,
      ...options,
    });
    for (let i = 0; i < brokers; ++i) this.session.links.add(`tcp://broker-${i}`);
  }

  // What the session has sent to one broker since the last time, decoded.
  sent(link = this.links[0]) {
    for (let next; (next = this.session.nextMessage(this.now)); ) {
      const [, kind, epoch, ...rest] = decode(next.frames[0]);
      this.outbox(next.link).push({ kind, epoch, rest, attachments: next.frames.length - 1 });
    }
    this.deliver();
    return this.outbox(link).splice(0);
  }
  outbox(link) {
    if (!this.outboxes.has(link)) this.outboxes.set(link, []);
    return this.outboxes.get(link);
  }
  get links() {
    return this.session.links.all;
  }
  requests(link) {
    const items = [];
    for (const { kind, rest } of this.sent(link)) {
      if (kind !== Kind.request) continue;
      for (let at = 1; at < rest.length; at += 8) {
        const [id, attempt, flags, timeoutUs, method] = rest.slice(at, at + 8);
        items.push({ id, attempt, flags, timeoutUs, method });
      }
    }
    return items;
  }

  receive(kind, epoch, rest, link = this.links[0]) {
    this.session.message(link, [Buffer.from(encode([1, kind, epoch, ...rest]))], this.now);
    this.deliver();
  }
  reply(id, { attempt = 1, status = 0, value = "value", link = this.links[0], epoch = link.epoch } = {}) {
    this.receive(Kind.reply, epoch, [id, attempt, status, 0, status ? { message: "why" } : value, null], link);
  }
  welcome(link = this.links[0], more = {}) {
    this.receive(Kind.hello, ++this.epochs, [{ ...BROKER, ...more, nonce: link.nonce }], link);
  }
  connect(link = this.links[0], more = {}) {
    this.session.connected(link, this.now);
    assert.equal(this.sent(link)[0].kind, Kind.hello);
    this.welcome(link, more);
    assert.equal(link.state, "ready");
  }
  disconnect(link = this.links[0]) {
    this.outbox(link).length = 0;
    this.session.disconnected(link, this.now);
    this.deliver();
  }

  call({ method = "a.b", timeout = 5000, flags = 0, tail = TAIL, attachments = [], schema = undefined } = {}) {
    const deadline = this.now + (timeout ?? 30_000);
    const call = new Call({ method, tail, attachments, flags, deadline, ownTimeout: timeout !== null, schema });
    this.session.submit(call, this.now);
    this.deliver();
    return call;
  }
  at(ms) {
    this.now += ms;
    this.session.tick(this.now);
    this.deliver();
  }
  cancel(call) {
    this.session.cancel(call);
    this.deliver();
  }

  deliver() {
    for (const { call, outcome, item } of this.session.takeCompletions()) {
      if (item) {
        assert.ok(!this.ended.has(call), "an item behind the end");
        this.items.set(call, [...(this.items.get(call) ?? []), decode(item.value.bytes)]);
        continue;
      }
      assert.ok(!this.ended.has(call), "a second outcome");
      this.ended.set(call, outcome);
    }
  }
  word(call) {
    const outcome = this.ended.get(call);
    return outcome && WORDS[outcome.status];
  }
  why(call) {
    return this.ended.get(call).error.message;
  }
}

export function connected(options) {
  const world = new World(1, options);
  world.connect();
  return world;
}


// A small generator of numbers that a seed repeats (mulberry32).
export function random(seed) {
  return (below) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}
