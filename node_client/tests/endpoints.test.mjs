// Where the brokers are: what users write, and names that are looked up.
import assert from "node:assert/strict";
import test from "node:test";

import { lookUp, parseEndpoints } from "../dist/endpoints.js";
import { Client } from "../dist/index.mjs";
import * as limits from "../dist/limits.js";
import { Resolver } from "../dist/resolver.js";

test("a list of endpoints has each once, and names apart", () => {
  const expected = { fixed: ["tcp://a:1", "ipc:///run/b"], names: [{ name: "brokers.local", port: "7711" }] };
  const list = "tcp://a:1,ipc:///run/b,dns+tcp://brokers.local:7711,tcp://a:1";
  assert.deepEqual(parseEndpoints(list), expected);
  assert.deepEqual(parseEndpoints(list.split(",")), expected);
  assert.deepEqual(parseEndpoints(["tcp://a:1,ipc:///run/b", "dns+tcp://brokers.local:7711"]), expected);
  assert.deepEqual(parseEndpoints("tcp://[::1]:7711,dns+tcp://[::1]:1").names, [{ name: "::1", port: "1" }]);
});

test("without a list the environment says where they are, or else it is this machine", () => {
  const before = process.env.SAMOVAR_ENDPOINT;
  try {
    process.env.SAMOVAR_ENDPOINT = "tcp://a:1,tcp://b:2";
    assert.deepEqual(parseEndpoints(undefined).fixed, ["tcp://a:1", "tcp://b:2"]);
    delete process.env.SAMOVAR_ENDPOINT;
    assert.deepEqual(parseEndpoints(undefined).fixed, ["tcp://127.0.0.1:7711"]);
  } finally {
    if (before !== undefined) process.env.SAMOVAR_ENDPOINT = before;
  }
});

test("what is no list of endpoints is refused with the piece that is wrong", () => {
  const refused = (list, words) => {
    for (const make of [parseEndpoints, (given) => new Client(given)]) {
      assert.throws(() => make(list), (error) => error instanceof TypeError && error.message.includes(words), `${list}`);
    }
  };
  refused("", "needs an endpoint");
  refused([], "needs an endpoint");
  refused("tcp://a:1,", "empty endpoint");
  refused(",tcp://a:1", "empty endpoint");
  refused(["tcp://a:1", ""], "empty endpoint");
  const ports = ["a", ":1", "a:", "a:0", "a:65536", "a:1x", "a:123456"];
  const pieces = ["tcp://", "dns+tcp://"].flatMap((scheme) => ports.map((port) => scheme + port));
  for (const piece of [...pieces, "a", "http://a:1", "ipc://", `ipc://${"x".repeat(108)}`, " tcp://a:1"]) {
    refused(`tcp://a:1,${piece}`, `'${piece}' is not an endpoint`);
  }
});

test("an address is its own name", async () => {
  assert.deepEqual(await lookUp({ name: "127.0.0.1", port: "7711" }), ["tcp://127.0.0.1:7711"]);
  assert.deepEqual(await lookUp({ name: "::1", port: "7711" }), ["tcp://[::1]:7711"]);
  await assert.rejects(lookUp({ name: "name.invalid", port: "1" }), /'name.invalid' has no address: /);
});

// A resolver, with names and a clock of the test's own.
class Names {
  addresses = [];
  looks = 0;
  found = [];
  timer = undefined;

  constructor(list) {
    const look = async ({ name }) => {
      this.looks += 1;
      if (this.addresses.length === 0) throw new Error(`'${name}' has no address: unknown`);
      return this.addresses;
    };
    const timers = {
      set: (then, ms) => (this.timer = { then, ms }),
      clear: (timer) => timer === this.timer && (this.timer = undefined),
    };
    this.start = () => {
      this.resolver = new Resolver(parseEndpoints(list), (...found) => this.found.push(found), look, timers);
    };
  }
  // Lets the look-up come to its end.
  settle() {
    return new Promise(setImmediate);
  }
  async passes(ms) {
    assert.equal(this.timer?.ms, ms);
    this.timer.then();
    await this.settle();
  }
}

test("a name is looked up again and again, and at once when a broker is gone, but not more often than once a second", async () => {
  const names = new Names("dns+tcp://brokers:1,ipc://fixed");
  names.addresses = ["tcp://a:1", "tcp://b:1"];
  names.start();
  names.resolver.hurry();
  await names.settle();
  assert.deepEqual(names.found, [[["ipc://fixed", "tcp://a:1", "tcp://b:1"], ""]]);
  assert.equal(names.looks, 1);
  await names.passes(limits.LOOK_UP_PAUSE);
  assert.equal(names.looks, 2, "somebody was in a hurry while it looked");
  await names.passes(limits.LOOK_UP_PAUSE);
  await names.passes(limits.LOOK_UP_AGAIN - limits.LOOK_UP_PAUSE);
  assert.equal(names.looks, 3);
  names.resolver.hurry();
  await names.settle();
  assert.equal(names.looks, 3);
  await names.passes(limits.LOOK_UP_PAUSE);
  assert.equal(names.looks, 4);
  await names.passes(limits.LOOK_UP_PAUSE);
  names.resolver.hurry();
  await names.settle();
  assert.equal(names.looks, 5);
  assert.equal(names.found.length, 1, "nothing has changed");
  names.resolver.close();
  assert.equal(names.timer, undefined);
});

test("a name that cannot be looked up keeps the addresses that it had", async () => {
  const names = new Names("dns+tcp://brokers:1");
  names.addresses = ["tcp://a:1"];
  names.start();
  await names.settle();
  names.addresses = [];
  await names.passes(limits.LOOK_UP_PAUSE);
  names.resolver.hurry();
  await names.settle();
  names.addresses = ["tcp://c:1"];
  await names.passes(limits.LOOK_UP_PAUSE);
  names.resolver.hurry();
  await names.settle();
  assert.equal(names.looks, 3);
  assert.deepEqual(names.found.map(([endpoints]) => endpoints), [["tcp://a:1"], ["tcp://c:1"]]);
});

test("that a name has no address is told with the reason, and it is looked up each few seconds", async () => {
  const names = new Names("dns+tcp://brokers:1");
  names.start();
  await names.settle();
  assert.deepEqual(names.found, [[[], "'brokers' has no address: unknown"]]);
  await names.passes(limits.LOOK_UP_PAUSE);
  names.addresses = ["tcp://a:1"];
  await names.passes(limits.LOOK_UP_PAUSE);
  assert.deepEqual(names.found[1], [["tcp://a:1"], ""]);
});

test("a resolver that is closed while it looks says nothing more", async () => {
  const names = new Names("dns+tcp://brokers:1");
  names.addresses = ["tcp://a:1"];
  names.start();
  names.resolver.close();
  await names.settle();
  assert.deepEqual([names.found, names.timer], [[], undefined]);
});
