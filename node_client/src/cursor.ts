// Walks over msgpack without building values: where each ends, and whether it is msgpack at all. What a peer claims to
// have (a length, a count) is believed only as far as its bytes go, so it costs no memory.
import { MAX_DEPTH } from "./limits.js";

// A peer broke PROTOCOL.md.
export class Malformed extends Error {}

// One value in its message. `special`: it holds 64-bit integers or extensions.
export interface Slice {
  bytes: Uint8Array;
  special: boolean;
}

export type Type = "uint" | "int" | "nil" | "bool" | "float" | "str" | "bin" | "ext" | "array" | "map";

export class Cursor {
  private at = 0;
  // Of the value that open() was at last.
  private size = 0; // uint: its value; str, bin, ext: bytes; array, map: entries
  private special = false; // since value() began

  constructor(private readonly bytes: Uint8Array) {}

  atEnd(): boolean {
    return this.at === this.bytes.length;
  }

  // The type of the next value, which is not read. An integer that is not negative is a uint, however it is written.
  type(): Type {
    const at = this.at;
    const type = this.open();
    this.at = at;
    return type;
  }

  // An integer from 0 to 2^53 - 1.
  uint(what: string): number {
    const at = this.at;
    if (at < this.bytes.length && this.bytes[at]! < 0x80) {
      this.at += 1;
      return this.bytes[at]!;
    }
    if (this.open() !== "uint" || this.size > Number.MAX_SAFE_INTEGER) {
      throw new Malformed(`${what} is not an integer from 0 to 2^53 - 1`);
    }
    return this.size;
  }

  str(what: string): string {
    if (this.open() !== "str") throw new Malformed(`${what} is not a str`);
    return utf8(this.take(this.size));
  }

  bool(what: string): boolean {
    if (this.open() !== "bool") throw new Malformed(`${what} is not a bool`);
    return this.size === 1;
  }

  // How many elements follow.
  array(what: string): number {
    if (this.open() !== "array") throw new Malformed(`${what} is not an array`);
    return this.size;
  }

  map(what: string): number {
    if (this.open() !== "map") throw new Malformed(`${what} is not a map`);
    return this.size;
  }

  // Any value, `depth` levels deep in its message.
  value(depth = 1): Slice {
    const start = this.at;
    this.special = false;
    this.skip(depth);
    return { bytes: this.bytes.subarray(start, this.at), special: this.special };
  }

  private skip(depth: number): void {
    const type = this.open();
    if (type === "str" || type === "bin" || type === "ext") {
      this.at += this.size;
    } else if (type === "array" || type === "map") {
      if (depth >= MAX_DEPTH) throw new Malformed("a value is nested too deeply");
      for (let left = type === "map" ? 2 * this.size : this.size; left > 0; --left) this.skip(depth + 1);
    }
  }

  private take(size: number): Uint8Array {
    this.at += size;
    return this.bytes.subarray(this.at - size, this.at);
  }

  // Reads what stands before a value's bytes or elements, and makes sure that there are enough of these.
  private open(): Type {
    if (this.at >= this.bytes.length) throw new Malformed("the message is cut off");
    const byte = this.bytes[this.at++]!;
    if (byte < 0x80) return this.holds("uint", byte, 0);
    if (byte < 0x90) return this.holds("map", byte - 0x80, 2);
    if (byte < 0xa0) return this.holds("array", byte - 0x90, 1);
    if (byte < 0xc0) return this.holds("str", byte - 0xa0, 1);
    if (byte >= 0xe0) return "int";
    switch (byte) {
      case 0xc0:
        return "nil";
      case 0xc2:
      case 0xc3:
        return this.holds("bool", byte - 0xc2, 0);
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.holds("bin", this.number(1 << (byte - 0xc4)), 1);
      case 0xc7:
      case 0xc8:
      case 0xc9:
        return this.extension(this.number(1 << (byte - 0xc7)));
      case 0xca:
      case 0xcb:
        this.number(byte === 0xca ? 4 : 8);
        return "float";
      case 0xcc:
      case 0xcd:
      case 0xce:
      case 0xcf:
        this.special ||= byte === 0xcf;
        return this.holds("uint", this.number(1 << (byte - 0xcc)), 0);
      case 0xd0:
      case 0xd1:
      case 0xd2:
      case 0xd3: {
        this.special ||= byte === 0xd3;
        const negative = this.at < this.bytes.length && this.bytes[this.at]! >= 0x80;
        const number = this.number(1 << (byte - 0xd0));
        return negative ? "int" : this.holds("uint", number, 0);
      }
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.extension(1 << (byte - 0xd4));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.holds("str", this.number(1 << (byte - 0xd9)), 1);
      case 0xdc:
      case 0xdd:
        return this.holds("array", this.number(byte === 0xdc ? 2 : 4), 1);
      case 0xde:
      case 0xdf:
        return this.holds("map", this.number(byte === 0xde ? 2 : 4), 2);
      default:
        throw new Malformed("0xc1 is not msgpack");
    }
  }

  private extension(size: number): Type {
    this.special = true;
    return this.holds("ext", size + 1, 1);
  }

  private holds(type: Type, size: number, bytesEach: number): Type {
    if (size * bytesEach > this.bytes.length - this.at) throw new Malformed("the message is cut off");
    this.size = size;
    return type;
  }

  private number(width: number): number {
    if (width > this.bytes.length - this.at) throw new Malformed("the message is cut off");
    let number = 0;
    for (const end = this.at + width; this.at < end; ++this.at) number = number * 256 + this.bytes[this.at]!;
    return number;
  }
}

const decoder = new TextDecoder();
function utf8(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}
