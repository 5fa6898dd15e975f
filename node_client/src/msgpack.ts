// Values: what arguments may be, and what results are.
//
//   Python        JavaScript
//   int           number; a bigint beyond 2^53 - 1. A bigint is an int of 64 bits, a number without a fraction an int
//   float         number; 1.0 comes as 1, and 1.0 is sent as the int 1
//   bytes         Uint8Array (a result's lies in the received message: slice() it to keep it alone)
//   datetime      Date, to the millisecond
//   dict          a plain object; of a key that is no str it has the text, as in JSON
//   ndarray       NdArray (arrays.ts), or a typed array
import { Decoder, Encoder, ExtData, ExtensionCodec } from "@msgpack/msgpack";

import { ARRAY, encodeArray, isTypedArray, NdArray, readArray } from "./arrays.js";
import type { TypedArray } from "./arrays.js";
import type { Slice } from "./cursor.js";
import { MAX_DEPTH } from "./limits.js";

export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Date
  | NdArray
  | ExtData
  | Value[]
  | { [key: string]: Value };

export type Argument =
  | null
  | undefined
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Date
  | NdArray
  | TypedArray
  | ExtData
  | readonly Argument[]
  | { readonly [key: string]: Argument };

const codec = new ExtensionCodec();
const encoder = new Encoder({ extensionCodec: codec, useBigInt64: true, ignoreUndefined: true, maxDepth: MAX_DEPTH + 1 });
const decoder = new Decoder({ extensionCodec: codec, useBigInt64: true, mapKeyConverter: String });

// Several values (at most 15), one after another, as they stand in a message. The elements of arrays are added to
// `attachments`. Throws for what cannot be sent.
export function encodeValues(values: readonly unknown[], attachments: Uint8Array[]): Uint8Array {
  const bytes = encoder.encodeSharedRef(sendable(values, attachments, 1));
  return bytes.slice(1); // without the head of the array that they stand in
}

// Throws when the bytes, which must be msgpack, have no JavaScript value.
export function decodeValue(slice: Slice, attachments: readonly Uint8Array[]): Value {
  const value = decoder.decode(slice.bytes) as Value;
  return slice.special ? received(value, attachments) : value;
}

// What @msgpack/msgpack would turn into something else without a word: integers beyond 32 bits (floats, where bigints are
// integers), Maps and other objects (their enumerable properties). Copies only what it changes.
function sendable(value: unknown, attachments: Uint8Array[], depth: number): unknown {
  switch (typeof value) {
    case "string":
    case "boolean":
    case "undefined":
      return value;
    case "number":
      return Number.isSafeInteger(value) && (value > 0xffffffff || value < -0x80000000) ? BigInt(value) : value;
    case "bigint":
      if (value >= 1n << 64n || value < -(1n << 63n)) throw new RangeError(`${value} has more than 64 bits`);
      return value;
    case "object":
      return value === null ? null : sendableObject(value, attachments, depth);
    default:
      throw new TypeError(`a ${typeof value} cannot be sent`);
  }
}

function sendableObject(value: object, attachments: Uint8Array[], depth: number): unknown {
  if (value instanceof Uint8Array || value instanceof ExtData) return value;
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw new RangeError("an invalid Date cannot be sent");
    return value;
  }
  if (value instanceof NdArray || isTypedArray(value)) return new ExtData(ARRAY, encodeArray(value, attachments));
  if (depth > MAX_DEPTH) throw new RangeError("the arguments are nested more than 60 deep, or in a circle");
  if (Array.isArray(value)) {
    let copy: unknown[] | undefined;
    for (let i = 0; i < value.length; ++i) {
      const element = sendable(value[i], attachments, depth + 1);
      if (element !== value[i] && !Number.isNaN(element)) (copy ??= [...(value as unknown[])])[i] = element;
    }
    return copy ?? value;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    throw new TypeError(`a ${value.constructor.name} cannot be sent: make a plain object or an array of it`);
  }
  let copy: Record<string, unknown> | undefined;
  for (const [key, entry] of Object.entries(value)) {
    const element = sendable(entry, attachments, depth + 1);
    if (element !== entry && !Number.isNaN(element)) (copy ??= { ...value })[key] = element;
  }
  return copy ?? value;
}

// Turns the bigints that are safe integers into numbers, and arrays into what they stand for; in place.
function received(value: Value, attachments: readonly Uint8Array[]): Value {
  if (typeof value === "bigint") {
    return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
  }
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; ++i) value[i] = received(value[i]!, attachments);
  } else if (value instanceof ExtData) {
    return value.type === ARRAY ? readArray(value.data as Uint8Array, attachments) : value;
  } else if (isPlain(value)) {
    for (const key in value) value[key] = received(value[key]!, attachments);
  }
  return value;
}

function isPlain(value: Value): value is { [key: string]: Value } {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
