// One cell of table.json by the Node client: node driver.mjs CLIENT ENDPOINT CELL; says its outcome as one line of JSON.
import { existsSync } from "node:fs";

const [path, endpoint, text, go] = process.argv.slice(2);
const { Client, NdArray } = await import(path);
// Numbers beyond 2^53 must not pass through JSON.parse as numbers.
const cell = JSON.parse(text.replace(/(?<=[[ ,:])-?\d{16,}(?=[\],} ])/g, '{"$int":"$&"}'));

function given(value) {
  if (Array.isArray(value)) return value.map(given);
  if (value === null || typeof value !== "object") return value;
  if ("$int" in value) return BigInt(value.$int);
  if ("$float" in value) return NaN;
  if ("$bytes" in value) return new Uint8Array(Buffer.from(value.$bytes, "base64"));
  if ("$timestamp" in value) return new Date(value.$timestamp);
  if ("$array" in value) return NdArray.of(new Float64Array(value.$array[1]), value.$array[0]);
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, given(each)]));
}

function said(value) {
  if (typeof value === "bigint") return { $int: String(value) };
  if (Array.isArray(value)) return value.map(said);
  if (value === null || typeof value !== "object") return value;
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString("base64") };
  if (value instanceof Date) return { $timestamp: value.toISOString() };
  if (value instanceof NdArray) return { $array: [value.shape, [...value.elements()]] };
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, said(each)]));
}

const stop = new AbortController();
const options = { kwargs: given(cell.kwargs ?? {}), signal: stop.signal };
if (cell.timeout_ms) options.timeout = cell.timeout_ms;
if (cell.schema) options.schema = cell.schema;
if (cell.window) options.window = cell.window;
if (cell.attachments) options.attachments = cell.attachments.map((each) => new Uint8Array(Buffer.from(each)));
if (go) {
  const wait = setInterval(() => {
    if (!existsSync(go)) return;
    clearInterval(wait);
    stop.abort();
  }, 5);
}
const args = cell.big ? ["x".repeat(cell.big)] : given(cell.args ?? []);
const client = new Client(endpoint);
const answer = {};
try {
  if (cell.stream) {
    answer.items = [];
    for await (const item of client.stream(cell.method, args, options)) {
      answer.items.push(said(item));
      if (answer.items.length === cell.take) break;
    }
  } else {
    const reply = await client.request(cell.method, args, options);
    answer.value = said(reply.value);
    answer.replies = reply.attachments.map((each) => Buffer.from(each).toString());
  }
} catch (error) {
  Object.assign(answer, { code: error.code, where: error.where, type: error.type });
}
client.close();
console.log(JSON.stringify(answer));
