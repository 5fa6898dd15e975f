// getMsg(ip, cb), which told in the callback style which country an address is in, by starting a Python process for each
// call; and the same function over Samovar. Whoever calls it sees no difference, but for the time.
//
//   script/server                                    the service ipgeo, in another terminal
//   node examples/node/getmsg.mjs 1.0.1.0 8.8.8.8
//   node examples/node/getmsg.mjs --old 1.0.1.0      a process per call, which needs no broker
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";

import { Client } from "../../node_client/dist/index.mjs"; // in your program: from "samovar"

const script = fileURLToPath(new URL("../demo/ways/per_call.py", import.meta.url));

function oldGetMsg(ip, cb) {
  execFile("/usr/bin/python3", [script, "ipgeo", ip], (error, stdout) => (error ? cb(error) : cb(null, stdout.trim())));
}

const old = process.argv.includes("--old");
const client = old ? undefined : new Client(process.env.SAMOVAR_ENDPOINT ?? "tcp://127.0.0.1:7711", { timeout: 5_000 });

function newGetMsg(ip, cb) {
  client.call("ipgeo.country", [ip], { idempotent: true }).then((country) => cb(null, country), cb);
}

const getMsg = old ? oldGetMsg : newGetMsg;
const ips = process.argv.slice(2).filter((each) => each !== "--old");
const start = performance.now();
let left = ips.length;
for (const ip of ips) {
  getMsg(ip, (error, country) => {
    if (error) {
      console.error(ip, error.message); // e.g. "unavailable: no broker answers at tcp://127.0.0.1:7711 ..."
      process.exitCode = 1;
    } else {
      console.log(ip, country);
    }
    if (--left > 0) return;
    console.error(`${ips.length} answers after ${(performance.now() - start).toFixed(1)} ms`);
    client?.close();
  });
}
