// Arrays of numbers, numpy.ndarray in Python: PROTOCOL.md 4.8. Their elements travel as attachments, beside the call.
import { decode, encode } from "@msgpack/msgpack";

export const ARRAY = 1; // the extension type

const CONSTRUCTORS = {
  i1: Int8Array,
  u1: Uint8Array,
  i2: Int16Array,
  u2: Uint16Array,
  i4: Int32Array,
  u4: Uint32Array,
  i8: BigInt64Array,
  u8: BigUint64Array,
  f4: Float32Array,
  f8: Float64Array,
};
type Kind = keyof typeof CONSTRUCTORS;
export type TypedArray = InstanceType<(typeof CONSTRUCTORS)[Kind]>;

// An array in C order.
export class NdArray {
  // `bytes` are those of its elements. Throws RangeError when the shape has another number of them.
  constructor(
    readonly dtype: string,
    readonly shape: readonly number[],
    readonly bytes: Uint8Array,
  ) {
    const size = Number(/^[<>|][biufc](\d+)$/.exec(dtype)?.[1]);
    if (!size) throw new RangeError(`'${dtype}' is no type of elements`);
    if (shape.length > 32 || !shape.every((length) => Number.isSafeInteger(length) && length >= 0)) {
      throw new RangeError("a shape has at most 32 lengths");
    }
    if (shape.reduce((product, length) => product * length, size) !== bytes.byteLength) {
      throw new RangeError(`an array ${dtype} of shape [${shape.join(", ")}] has not ${bytes.byteLength} bytes`);
    }
  }

  // Of one dimension, if no shape is given. Shares the elements.
  static of(elements: TypedArray, shape: readonly number[] = [elements.length]): NdArray {
    const kind = (Object.keys(CONSTRUCTORS) as Kind[]).find((each) => elements instanceof CONSTRUCTORS[each]);
    if (!kind) throw new TypeError("an array is made of a typed array");
    const bytes = new Uint8Array(elements.buffer, elements.byteOffset, elements.byteLength);
    return new NdArray((kind.endsWith("1") ? "|" : NATIVE) + kind, shape, bytes);
  }

  // Its elements; of bools as 0 and 1. Throws RangeError for a type that JavaScript has no typed array for.
  elements(): TypedArray {
    const kind = this.dtype.slice(1).replace("b1", "u1");
    const order = this.dtype[0];
    const Elements = CONSTRUCTORS[kind as Kind] as (typeof CONSTRUCTORS)[Kind] | undefined;
    if (!Elements || (order !== "|" && order !== NATIVE)) {
      throw new RangeError(`JavaScript has no typed array for elements of the type ${this.dtype}`);
    }
    return new Elements(this.bytes.slice().buffer);
  }
}

const NATIVE = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? "<" : ">";

// A Uint8Array is bytes, not an array.
export function isTypedArray(value: object): value is TypedArray {
  return ArrayBuffer.isView(value) && Object.values(CONSTRUCTORS).some((each) => each !== Uint8Array && value instanceof each);
}

export function encodeArray(array: NdArray | TypedArray, attachments: Uint8Array[]): Uint8Array {
  const whole = array instanceof NdArray ? array : NdArray.of(array);
  attachments.push(whole.bytes);
  return encode([attachments.length - 1, whole.dtype, whole.shape]);
}

export function readArray(data: Uint8Array, attachments: readonly Uint8Array[]): NdArray {
  const [index, dtype, shape] = decode(data) as [unknown, unknown, unknown];
  const bytes = attachments[index as number];
  if (!bytes || typeof dtype !== "string" || !Array.isArray(shape)) throw new RangeError("an array lacks its elements");
  return new NdArray(dtype, shape as number[], bytes);
}
