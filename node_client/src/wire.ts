// Messages as bytes: PROTOCOL.md, sections 3 to 5, as far as a client sends and receives them.
import { Cursor, Malformed } from "./cursor.js";
import type { Slice } from "./cursor.js";
import { MAX_ATTACHMENTS, MAX_BUNDLE, MAX_CONTROL_BYTES, MAX_EXT_BYTES, MAX_NAME_BYTES } from "./limits.js";

export const VERSION = 1;

export const Kind = {
  hello: 1,
  request: 2,
  reply: 3,
  cancel: 4,
  registerAgain: 6,
  drain: 7,
  drained: 8,
  probe: 11,
  protocolError: 12,
  items: 13,
  window: 14,
} as const;

export const Flag = { idempotent: 1, metadata: 2, stream: 4, replay: 8 } as const;

// --- maps -------------------------------------------------------------------------------------------------

type FieldType = { uint: number; str: string; bool: boolean; uints: number[] };
type Field = keyof FieldType;
// "!" marks what is required.
type Shape = Record<string, Field | `${Field}!`>;
type Read<S extends Shape> = {
  [K in keyof S]: S[K] extends `${infer F extends Field}!`
    ? FieldType[F]
    : S[K] extends Field
      ? FieldType[S[K]] | undefined
      : never;
};

const BROKER_HELLO = {
  nonce: "uint!",
  software: "str",
  broker: "str",
  clock: "str",
  max_body: "uint!",
  max_bundle: "uint!",
  heartbeat_ms: "uint!",
  default_timeout_us: "uint!",
  max_timeout_us: "uint!",
} as const;
const NOTICE = { reason: "str", answer: "bool" } as const;
const PROTOCOL_ERROR = { message: "str!", got: "uint", speaks: "uints", unauthorized: "bool" } as const;
const ERROR = {
  message: "str",
  where: "str",
  type: "str",
  traceback: "str",
  retry_after_us: "uint",
  pid: "uint",
  signal: "uint",
  exit_code: "uint",
  stderr: "str",
  stack: "str",
} as const;
const EXT = { queued_us: "uint", worker: "str" } as const;

export type BrokerHello = Read<typeof BROKER_HELLO>;
export type ProtocolError = Read<typeof PROTOCOL_ERROR>;
export type ErrorValue = Partial<Read<typeof ERROR>> & { message: string };
export type ReplyExt = Read<typeof EXT>;

// The values of a map by their keys: of equal keys the last one's, without those that are nil.
function entries(bytes: Uint8Array): Map<string, Uint8Array> {
  const cursor = new Cursor(bytes);
  const found = new Map<string, Uint8Array>();
  for (let left = cursor.map("it"); left > 0; --left) {
    const key = cursor.str("a key");
    const { bytes: value } = cursor.value();
    value[0] === 0xc0 ? found.delete(key) : found.set(key, value);
  }
  return found;
}

function field(cursor: Cursor, type: Field, name: string): FieldType[Field] {
  switch (type) {
    case "uint":
      return cursor.uint(name);
    case "str":
      return cursor.str(name);
    case "bool":
      return cursor.bool(name);
    case "uints":
      return Array.from({ length: cursor.array(name) }, () => cursor.uint(name));
  }
}

// `lenient`: what is of the wrong type counts as absent.
function readMap<S extends Shape>(bytes: Uint8Array, shape: S, lenient = false): Read<S> {
  const found = entries(bytes);
  const read: Record<string, unknown> = {};
  for (const [name, type] of Object.entries(shape)) {
    const value = found.get(name);
    if (value === undefined) {
      if (type.endsWith("!")) throw new Malformed(`${name} is missing`);
      continue;
    }
    try {
      read[name] = field(new Cursor(value), type.replace("!", "") as Field, name);
    } catch (error) {
      if (!lenient) throw error;
    }
  }
  return read as Read<S>;
}

// --- what comes -------------------------------------------------------------------------------------------

export interface ReplyItem {
  id: number;
  attempt: number;
  status: number;
  runUs: number;
  value: Slice;
  ext: Slice;
  attachments: Uint8Array[];
}

export interface StreamItem {
  id: number;
  attempt: number;
  seq: number;
  value: Slice;
  attachments: Uint8Array[];
}

export type Message = { epoch: number } & (
  | { kind: "hello"; hello: BrokerHello }
  | { kind: "reply"; items: ReplyItem[] }
  | { kind: "items"; items: StreamItem[] }
  | { kind: "register_again"; reason: string | undefined }
  | { kind: "drain"; reason: string | undefined; answer: boolean }
  | { kind: "protocol_error"; error: ProtocolError }
  | { kind: "probe" }
);

// Throws Malformed.
export function decodeMessage(frames: readonly Uint8Array[]): Message {
  const frame = frames[0] ?? new Uint8Array();
  const attachments = frames.slice(1);
  const cursor = new Cursor(frame);
  const size = cursor.array("the message");
  if (size < 1) throw new Malformed("the message is empty");
  const version = cursor.uint("the version");
  if (version !== VERSION) {
    throw new Malformed(`it speaks version ${version} of the protocol, this client version ${VERSION}`);
  }
  if (size < 3) throw new Malformed("the message has fewer than three elements");
  const kind = cursor.uint("the kind");
  const epoch = cursor.uint("the epoch");
  const rest = size - 3;
  if (kind === Kind.reply) return { kind: "reply", epoch, items: readReplies(cursor, rest, attachments) };
  if (kind === Kind.items) return { kind: "items", epoch, items: readItems(cursor, rest, attachments) };
  if (attachments.length > 0) throw new Malformed("attachments follow a message that is neither REPLY nor ITEMS");
  if (kind === Kind.probe) return { kind: "probe", epoch };

  const control = <S extends Shape>(shape: S): Read<S> => {
    if (frame.length > MAX_CONTROL_BYTES) throw new Malformed("a control message is larger than 256 KiB");
    if (rest !== 1 || cursor.type() !== "map") throw new Malformed("a control message does not hold exactly one map");
    const { bytes } = cursor.value();
    checkEnd(cursor);
    return readMap(bytes, shape);
  };
  switch (kind) {
    case Kind.hello: {
      if (epoch === 0) throw new Malformed("a HELLO gives no epoch");
      return { kind: "hello", epoch, hello: control(BROKER_HELLO) };
    }
    case Kind.registerAgain:
      return { kind: "register_again", epoch, reason: control(NOTICE).reason };
    case Kind.drain: {
      const { reason, answer = false } = control(NOTICE);
      return { kind: "drain", epoch, reason, answer };
    }
    case Kind.protocolError:
      return { kind: "protocol_error", epoch, error: control(PROTOCOL_ERROR) };
    default:
      throw new Malformed(`kind ${kind} is not for clients`);
  }
}

function readReplies(cursor: Cursor, rest: number, attachments: Uint8Array[]): ReplyItem[] {
  const items: ReplyItem[] = [];
  for (let left = countItems(rest, 6); left > 0; --left) {
    const id = cursor.uint("an id");
    const attempt = readAttempt(cursor);
    const status = cursor.uint("a status");
    const runUs = cursor.uint("run_us");
    if (status !== 0 && cursor.type() !== "map") throw new Malformed("the value of an error is not a map");
    const value = cursor.value();
    const ext = cursor.value();
    items.push({ id, attempt, status, runUs, value, ext, attachments: claim(ext, attachments) });
  }
  checkEnd(cursor, attachments);
  return items;
}

function readItems(cursor: Cursor, rest: number, attachments: Uint8Array[]): StreamItem[] {
  const items: StreamItem[] = [];
  for (let left = countItems(rest, 5); left > 0; --left) {
    const id = cursor.uint("an id");
    const attempt = readAttempt(cursor);
    const seq = cursor.uint("seq");
    const value = cursor.value();
    items.push({ id, attempt, seq, value, attachments: claim(cursor.value(), attachments) });
  }
  checkEnd(cursor, attachments);
  return items;
}

function countItems(rest: number, elements: number): number {
  if (rest === 0 || rest % elements !== 0) throw new Malformed("the message does not hold a whole number of items");
  if (rest / elements > MAX_BUNDLE) throw new Malformed("the message holds more than 1,024 items");
  return rest / elements;
}

function readAttempt(cursor: Cursor): number {
  const attempt = cursor.uint("an attempt");
  if (attempt < 1 || attempt > 255) throw new Malformed("an attempt is not between 1 and 255");
  return attempt;
}

// Takes this item's attachments from the front.
function claim(ext: Slice, attachments: Uint8Array[]): Uint8Array[] {
  if (ext.bytes[0] === 0xc0) return [];
  if (ext.bytes.length > MAX_EXT_BYTES) throw new Malformed("ext is larger than 16 KiB");
  const value = entries(ext.bytes).get("attachments");
  if (value === undefined) return [];
  const count = new Cursor(value).uint("ext.attachments");
  if (count > MAX_ATTACHMENTS) throw new Malformed("an item claims more than 64 attachments");
  if (count > attachments.length) throw new Malformed("the items claim more attachments than the message has");
  return attachments.splice(0, count);
}

function checkEnd(cursor: Cursor, attachments: readonly Uint8Array[] = []): void {
  if (!cursor.atEnd()) throw new Malformed("bytes follow the message's array");
  if (attachments.length > 0) throw new Malformed("the items claim fewer attachments than the message has");
}

export function readError(value: Slice): ErrorValue {
  const without = "(the error came without a message)";
  try {
    const { message = without, ...rest } = readMap(value.bytes, ERROR, true);
    return { message, ...rest };
  } catch {
    return { message: without };
  }
}

export function readReplyExt(ext: Slice): ReplyExt {
  if (ext.bytes[0] === 0xc0) return { queued_us: undefined, worker: undefined };
  return readMap(ext.bytes, EXT, true);
}

// --- what goes --------------------------------------------------------------------------------------------

// Grows as it is written to.
class Writer {
  private buffer = Buffer.allocUnsafe(1024);
  private size = 0;

  array(length: number): this {
    if (length < 16) return this.byte(0x90 + length);
    return this.byte(0xdc).big(length, 2);
  }
  uint(value: number): this {
    if (value < 0x80) return this.byte(value);
    if (value < 0x100) return this.byte(0xcc).byte(value);
    if (value < 0x10000) return this.byte(0xcd).big(value, 2);
    if (value < 0x100000000) return this.byte(0xce).big(value, 4);
    return this.byte(0xcf).big(Math.floor(value / 0x100000000), 4).big(value % 0x100000000, 4);
  }
  // Of at most 64 KiB.
  str(text: string): this {
    const length = Buffer.byteLength(text);
    if (length < 32) this.byte(0xa0 + length);
    else if (length < 0x100) this.byte(0xd9).byte(length);
    else this.byte(0xda).big(length, 2);
    this.reserve(length);
    this.buffer.write(text, this.size);
    this.size += length;
    return this;
  }
  raw(bytes: Uint8Array): this {
    this.reserve(bytes.length);
    this.buffer.set(bytes, this.size);
    this.size += bytes.length;
    return this;
  }
  finish(): Buffer {
    return this.buffer.subarray(0, this.size);
  }

  byte(value: number): this {
    this.reserve(1);
    this.buffer[this.size++] = value;
    return this;
  }
  private big(value: number, width: 2 | 4): this {
    this.reserve(width);
    this.size = width === 2 ? this.buffer.writeUInt16BE(value, this.size) : this.buffer.writeUInt32BE(value, this.size);
    return this;
  }
  private reserve(bytes: number): void {
    if (this.size + bytes <= this.buffer.length) return;
    const larger = Buffer.allocUnsafe(2 * (this.size + bytes));
    larger.set(this.buffer.subarray(0, this.size));
    this.buffer = larger;
  }
}

export interface PeerHello {
  nonce: number;
  name: string;
  pid: number;
  clock: string; // empty: not said
}

export function encodeHello(hello: PeerHello): Buffer {
  const writer = new Writer().array(4).uint(VERSION).uint(Kind.hello).uint(0);
  writer.byte(0x80 + (hello.clock ? 5 : 4));
  writer.str("role").str("client").str("nonce").uint(hello.nonce);
  writer.str("name").str(hello.name).str("pid").uint(hello.pid);
  if (hello.clock) writer.str("clock").str(hello.clock);
  return writer.finish();
}

export interface RequestItem {
  id: number;
  attempt: number;
  flags: number;
  timeoutUs: number;
  method: string;
  tail: Uint8Array; // args, kwargs and ext as msgpack
}

// What an item has beside its method and its tail, at most.
export const ITEM_HEAD = 9 + 2 + 2 + 9 + 3;
// And what the message has before its items.
export const MESSAGE_HEAD = 3 + 1 + 1 + 9 + 9;

export function encodeRequests(epoch: number, sentUs: number, items: readonly RequestItem[]): Buffer {
  const writer = new Writer().array(4 + 8 * items.length).uint(VERSION).uint(Kind.request).uint(epoch).uint(sentUs);
  for (const item of items) {
    writer.uint(item.id).uint(item.attempt).uint(item.flags).uint(item.timeoutUs).str(item.method).raw(item.tail);
  }
  return writer.finish();
}

// The answer to DRAIN.
export function encodeDrained(epoch: number): Buffer {
  return new Writer().array(4).uint(VERSION).uint(Kind.drained).uint(epoch).byte(0x80).finish();
}

export function encodeCancel(epoch: number, ids: readonly number[]): Buffer {
  const writer = new Writer().array(3 + ids.length).uint(VERSION).uint(Kind.cancel).uint(epoch);
  for (const id of ids) writer.uint(id);
  return writer.finish();
}

export function encodeWindows(epoch: number, windows: readonly (readonly [number, number])[]): Buffer {
  const writer = new Writer().array(3 + 2 * windows.length).uint(VERSION).uint(Kind.window).uint(epoch);
  for (const [id, window] of windows) writer.uint(id).uint(window);
  return writer.finish();
}

// "service.method": letters, digits, "_", "-", "."; the service ends at the last dot.
export function isMethod(name: string): boolean {
  return name.length <= MAX_NAME_BYTES && /^[\w.-]+\.[\w-]+$/.test(name);
}
