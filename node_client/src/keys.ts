// Key files, as `samovar keygen NAME` writes them: docs/SECURITY.md.
import { readFileSync, statSync } from "node:fs";

export interface Keys {
  publicKey: string;
  secretKey: string;
  brokerKey: string;
}

const KEY = /^[0-9a-zA-Z.\-:+=^!/*?&<>()[\]{}@%$#]{40}$/;

// This client's own pair and the broker's public key. Throws when a file cannot be used.
export function readKeys(keyFile: string, brokerKeyFile: string): Keys {
  const own = read(keyFile);
  if (!KEY.test(own.secret)) throw new Error(`'${keyFile}' holds no secret key: name the file that ends in .key`);
  if ((statSync(keyFile).mode & 0o077) !== 0) {
    throw new Error(`'${keyFile}' holds a secret key and may be read by others: chmod 600 it`);
  }
  return { publicKey: own.public, secretKey: own.secret, brokerKey: read(brokerKeyFile).public };
}

function read(path: string): { public: string; secret: string } {
  const text = readFileSync(path, "utf8");
  const value = (name: string): string => new RegExp(`^${name}[^"\\n]*"(.*)"`, "m").exec(text)?.[1] ?? "";
  const pair = { public: value("public"), secret: value("secret") };
  if (!KEY.test(pair.public)) throw new Error(`'${path}' is no key file: samovar keygen NAME makes one`);
  return pair;
}
