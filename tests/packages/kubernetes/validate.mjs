// Compares Kubernetes objects (JSON on stdin, an array) with Kubernetes' own schemas; prints what differs, a line each.
import { createRequire } from "node:module";
import { text } from "node:stream/consumers";

const require = createRequire(import.meta.url);

// The schemas come compiled: what they know is seen by what they ask for. `unknown` lists what they have not asked for.
function watched(value, path, unknown) {
  if (value === null || typeof value !== "object") return value;
  const inside = new Map();
  for (const key of Object.keys(value)) {
    inside.set(key, watched(value[key], `${path}/${key}`, unknown));
    if (!Array.isArray(value)) unknown.add(`${path}/${key}`);
  }
  return new Proxy(value, {
    get(target, key) {
      unknown.delete(`${path}/${String(key)}`);
      return inside.has(key) ? inside.get(key) : Reflect.get(target, key);
    },
  });
}

// Without what stands below another one.
function topmost(paths) {
  return [...paths].filter((path) => ![...paths].some((other) => path.startsWith(`${other}/`)));
}

for (const object of JSON.parse(await text(process.stdin))) {
  const name = `${object.kind} ${object.metadata?.name}`;
  try {
    const model = require(`kubernetes-models/${object.apiVersion}/${object.kind}`)[object.kind];
    const unknown = new Set();
    watched(new model(object), "", unknown).validate();
    for (const path of topmost(unknown)) console.log(`${name}: ${path} is no key of it`);
  } catch (error) {
    console.log(`${name}: ${error.message}`);
  }
}
