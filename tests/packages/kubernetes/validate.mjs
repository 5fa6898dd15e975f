// Compares Kubernetes objects (JSON on stdin, an array) with Kubernetes' own schemas; prints what differs, a line each.
import { createRequire } from "node:module";
import { text } from "node:stream/consumers";

const require = createRequire(import.meta.url);
for (const object of JSON.parse(await text(process.stdin))) {
  const name = `${object.kind} ${object.metadata?.name}`;
  try {
    const model = require(`kubernetes-models/${object.apiVersion}/${object.kind}`)[object.kind];
    new model(object).validate();
  } catch (error) {
    console.log(`${name}: ${error.message}`);
  }
}
