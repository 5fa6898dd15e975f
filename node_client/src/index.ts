// Calls Python handlers through a Samovar broker.
//
//   const client = new Client("tcp://127.0.0.1:7711", { timeout: 5_000 });
//   const country = await client.call<string | null>("ipgeo.country", ["1.0.1.0"]);
//   for await (const number of client.stream<number>("brook.count", [5])) console.log(number);
//   client.close();
export { ExtData } from "@msgpack/msgpack";
export { NdArray } from "./arrays.js";
export { Client } from "./client.js";
export type { ClientOptions, Metadata, Result, Service, Streams } from "./client.js";
export { SamovarError } from "./errors.js";
export type { Code } from "./errors.js";
export type { Argument, Value } from "./msgpack.js";
export type { CallOptions, Priority, StreamOptions } from "./request.js";
export { Keywords, kw } from "./schema.js";
export type { ServiceSchema } from "./schema.js";
export { Stream } from "./stream.js";
