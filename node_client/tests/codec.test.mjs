// The codec against proto/vectors, the truth that all codecs share, and what values become.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { decode, ExtData } from "@msgpack/msgpack";

import { Malformed } from "../dist/cursor.js";
import { NdArray } from "../dist/index.mjs";
import { decodeValue, encodeValues } from "../dist/msgpack.js";
import { prepare } from "../dist/request.js";
import * as wire from "../dist/wire.js";

const FILES = ["hello", "control", "requests", "replies", "streams", "malformed"];
const VECTORS = FILES.flatMap((name) =>
  JSON.parse(readFileSync(new URL(`../../proto/vectors/${name}.json`, import.meta.url), "utf8")),
);
const FOR_CLIENTS = ["broker_hello", "reply", "items", "register_again", "drain", "protocol_error", "probe"];

const valid = (...kinds) => VECTORS.filter((each) => each.valid && kinds.includes(each.kind));
const framesOf = (vector) => [
  Buffer.from(vector.hex, "hex"),
  ...Array.from({ length: vector.attachments }, (_, i) => Buffer.from([i])),
];

// What stands in a vector, as JavaScript sees it.
function fromVector(value) {
  if (Array.isArray(value)) return value.map(fromVector);
  if (typeof value !== "object" || value === null) return value;
  if ("$bytes" in value) return Buffer.from(value.$bytes, "hex");
  if ("$int" in value) return BigInt(value.$int);
  if ("$float" in value) return { inf: Infinity, "-inf": -Infinity, nan: NaN }[value.$float];
  if ("$ext" in value) return new ExtData(value.$ext.type, Buffer.from(value.$ext.data, "hex"));
  if ("$badstr" in value) return { anyText: true };
  if ("$time" in value) {
    const [seconds, nanoseconds] = value.$time.split(".");
    return new Date(Number(seconds) * 1000 + Number(nanoseconds) / 1e6);
  }
  const entries = "$map" in value ? value.$map : Object.entries(value);
  return Object.fromEntries(entries.map(([key, entry]) => [String(fromVector(key)), fromVector(entry)]));
}

function same(actual, expected) {
  if (expected?.anyText) return assert.equal(typeof actual, "string");
  if (Array.isArray(expected)) {
    assert.equal(actual.length, expected.length);
    return expected.forEach((each, i) => same(actual[i], each));
  }
  if (expected !== null && Object.getPrototypeOf(expected) === Object.prototype) {
    assert.deepEqual(Object.keys(actual).sort(), Object.keys(expected).sort());
    return Object.keys(expected).forEach((key) => same(actual[key], expected[key]));
  }
  assert.deepEqual(actual, expected);
}

// The elements of arrays are not in the vectors: of these only the extension is compared.
const valueOf = (slice, expected) =>
  JSON.stringify(expected).includes('"$ext":{"type":1,') ? decode(slice.bytes) : decodeValue(slice, []);

test("there are vectors of every kind that a client receives", () => {
  for (const kind of FOR_CLIENTS) assert.ok(valid(kind).length > 0, kind);
  assert.ok(VECTORS.filter((each) => !each.valid).length > 400);
});

for (const vector of valid("reply", "items")) {
  test(`${vector.kind}: ${vector.name}`, () => {
    const message = wire.decodeMessage(framesOf(vector));
    assert.equal(message.kind, vector.kind);
    assert.equal(message.epoch, vector.decoded.epoch);
    assert.equal(message.items.length, vector.decoded.items.length);
    message.items.forEach((item, i) => {
      const { ext, value, status, run_us: runUs, ...rest } = vector.decoded.items[i];
      for (const [key, number] of Object.entries(rest)) assert.equal(item[key], number, key);
      if (status !== undefined) assert.equal(Math.min(item.status, 13), status);
      if (runUs !== undefined) assert.equal(item.runUs, runUs);
      assert.equal(item.attachments.length, ext?.attachments ?? 0);
      same(valueOf(item.value, value), fromVector(value));
      if (item.ext) same(decodeValue(item.ext, []), fromVector(ext));
      if (status) assert.equal(wire.readError(item.value).message, value.message);
    });
  });
}

for (const vector of valid("broker_hello", "register_again", "drain", "protocol_error", "probe")) {
  test(`${vector.kind}: ${vector.name}`, () => {
    const message = wire.decodeMessage(framesOf(vector));
    assert.equal(`${message.kind === "hello" ? "broker_" : ""}${message.kind}`, vector.kind);
    assert.equal(message.epoch, vector.decoded.epoch);
    const read = message.hello ?? message.error ?? { reason: message.reason };
    for (const [key, value] of Object.entries(vector.decoded.map ?? {})) {
      if (key in read) same(read[key], fromVector(value));
    }
  });
}

test("what clients do not receive is refused", () => {
  const others = VECTORS.filter((each) => each.valid && !FOR_CLIENTS.includes(each.kind));
  assert.ok(others.length > 90);
  for (const vector of others) {
    assert.throws(() => wire.decodeMessage(framesOf(vector)), Malformed, vector.name);
  }
});

test("every malformed message is refused as a whole", () => {
  for (const vector of VECTORS.filter((each) => !each.valid)) {
    assert.throws(() => wire.decodeMessage(framesOf(vector)), Malformed, `${vector.kind}: ${vector.name}`);
  }
});

test("a client's hello is written as its vector has it", () => {
  const vector = VECTORS.find((each) => each.name === "a client says hello");
  assert.equal(wire.encodeHello(vector.decoded.map).toString("hex"), vector.hex);
});

test("requests are written as their vectors have them", () => {
  const unknownHere = /"\$map"|"\$badstr"|"\$time"|"wrong|"\$ext"|__proto__/; // keys that no object has; nanoseconds
  const vectors = valid("request").filter((each) => !unknownHere.test(JSON.stringify(each.decoded)));
  assert.ok(vectors.length >= 20, `${vectors.length} vectors`);
  let exact = 0;
  for (const { name, hex, decoded } of vectors) {
    const items = decoded.items.map(({ timeout_us: timeoutUs, args, kwargs, ext, ...head }) => {
      return { ...head, timeoutUs, tail: encodeValues([args, kwargs, ext].map(fromVector), []) };
    });
    const written = wire.encodeRequests(decoded.epoch, decoded.sent_us, items);
    assert.deepEqual(decode(written), decode(Buffer.from(hex, "hex")), name);
    if (written.toString("hex") === hex) exact += 1;
  }
  assert.ok(exact >= 10, `${exact} are the same to the byte`);
});

test("cancels and windows are written as their vectors have them", () => {
  for (const { name, hex, decoded } of valid("cancel", "window")) {
    const { epoch, ids, windows } = decoded;
    const written = ids ? wire.encodeCancel(epoch, ids) : wire.encodeWindows(epoch, windows);
    assert.deepEqual(decode(written), decode(Buffer.from(hex, "hex")), name);
  }
});

// --- values -------------------------------------------------------------------------------------------------

const there = (value) => encodeValues([value], []);
const again = (value) => decodeValue({ bytes: there(value), special: true }, []);

test("integers stay numbers as long as a number holds them, and are bigints beyond", () => {
  for (const value of [0, -1, 2 ** 32, -(2 ** 31) - 1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]) {
    assert.equal(again(value), value);
    assert.notEqual(there(value)[0], 0xcb, `${value} goes as an integer`);
  }
  for (const value of [2n ** 53n, -(2n ** 53n), 2n ** 64n - 1n, -(2n ** 63n)]) assert.equal(again(value), value);
  assert.equal(again(7n), 7);
  assert.throws(() => there(2n ** 64n), RangeError);
});

test("other values come back as they went", () => {
  const values = [null, true, 1.5, "茶", new Uint8Array([1, 2]), new Date(1_700_000_000_123), { a: [2 ** 40, {}] }, [[]]];
  for (const value of values) assert.deepEqual(again(value), value);
  assert.ok(Number.isNaN(again(NaN)));
  assert.deepEqual(again({ a: undefined, b: 1 }), { b: 1 });
});

test("what would be sent as something else is refused", () => {
  const circle = [];
  circle.push(circle);
  for (const value of [new Map(), new Set(), () => 1, Symbol("x"), new (class Cup {})(), new Date(NaN), circle]) {
    assert.throws(() => there([value]));
  }
});

test("arguments are not changed by being sent", () => {
  const value = { big: 2 ** 40, list: [2 ** 41] };
  there(value);
  assert.deepEqual(value, { big: 2 ** 40, list: [2 ** 41] });
});

test("typed arrays travel as attachments", () => {
  const attachments = [Buffer.from("mine")];
  const bytes = encodeValues([[new Float64Array([1.5, 2.5]), NdArray.of(new Uint8Array(6), [2, 3])]], attachments);
  assert.equal(attachments.length, 3);
  const [first, second] = decodeValue({ bytes, special: true }, attachments);
  assert.deepEqual([first.dtype, first.shape, [...first.elements()]], ["<f8", [2], [1.5, 2.5]]);
  assert.deepEqual([second.dtype, second.shape], ["|u1", [2, 3]]);
  assert.throws(() => decodeValue({ bytes, special: true }, []), RangeError);
  assert.throws(() => new NdArray("<f8", [3], Buffer.alloc(8)), RangeError);
});

test("the methods' names are those of the protocol", () => {
  for (const name of ["a.b", "a.b.c", "f-g.h_i"]) assert.ok(wire.isMethod(name), name);
  for (const name of ["", "a", "a.", ".a", "a b.c", "ä.b", `${"a".repeat(255)}.b`]) assert.ok(!wire.isMethod(name), name);
});

test("what a caller says beside the arguments stands in ext, and nothing where nothing is said", () => {
  const ext = (options) => {
    const { tail } = prepare("a.b", [1], options, 0, 1000, 0);
    return decode(Buffer.concat([Buffer.from([0x93]), tail]))[2];
  };
  assert.equal(ext({}), null);
  assert.equal(ext({ affinity: "" }), null);
  assert.deepEqual(ext({ affinity: "shelf 7" }), { affinity: "shelf 7" });
  assert.deepEqual(ext({ priority: "bulk", traceparent: "00-1" }), { priority: 2, traceparent: "00-1" });
  for (const wrong of [{ affinity: 7 }, { priority: "soon" }, { timeout: 0 }]) assert.throws(() => ext(wrong));
});
