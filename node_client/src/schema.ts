// What generated types were made of, and keyword arguments for their methods.
import { encodeValues } from "./msgpack.js";
import type { Argument } from "./msgpack.js";

// A file of `samovar stubgen --json`.
export interface ServiceSchema {
  readonly samovar_schema: number;
  readonly service: string;
  readonly hash: number;
  readonly methods: object;
  readonly $defs: object;
}

// As a broker is told it: PROTOCOL.md 4.9.
export interface Declaration {
  hash: number;
  tail: Uint8Array; // of samovar.declare: args, kwargs, ext
}

const declarations = new WeakMap<ServiceSchema, Declaration>();

// Throws TypeError for what is no schema.
export function declarationOf(schema: ServiceSchema): Declaration {
  const known = declarations.get(schema);
  if (known) return known;
  if (schema.samovar_schema !== 1 || !Number.isSafeInteger(schema.hash) || schema.hash <= 0) {
    throw new TypeError("a schema is what samovar stubgen --json writes");
  }
  const bare = withoutDescriptions(schema as unknown as Json) as Argument;
  const declaration = { hash: schema.hash, tail: encodeValues([[schema.hash, bare], null, null], []) };
  declarations.set(schema, declaration);
  return declaration;
}

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

// Descriptions of types and methods are text; a parameter or a field of that name is an object.
function withoutDescriptions(value: Json): Json {
  if (Array.isArray(value)) return value.map(withoutDescriptions);
  if (value === null || typeof value !== "object") return value;
  const kept = Object.entries(value).filter(([key, inside]) => key !== "description" || typeof inside !== "string");
  return Object.fromEntries(kept.map(([key, inside]) => [key, withoutDescriptions(inside)]));
}

// Keyword arguments, as the last argument of a service's method: weather.read(place, kw({ unit: "celsius" })).
export class Keywords<T extends object = Record<string, unknown>> {
  constructor(readonly values: T) {}
}

export function kw<T extends object>(values: T): Keywords<T> {
  return new Keywords(values);
}
