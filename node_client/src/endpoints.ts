// Where the brokers are, as users write it: a list with commas of tcp://HOST:PORT, ipc://PATH and dns+tcp://NAME:PORT, which
// stands for all addresses that NAME has.
import { lookup } from "node:dns/promises";

export interface DnsName {
  name: string;
  port: string;
}

export interface Endpoints {
  fixed: readonly string[]; // each once, in their order
  names: readonly DnsName[];
}

const DEFAULT_ENDPOINT = "tcp://127.0.0.1:7711";
const TCP = /^tcp:\/\/(?:[^\s:/[\],]+|\[[0-9A-Fa-f:.]+(?:%\w+)?\]):(\d{1,5})$/;
const DNS = /^dns\+tcp:\/\/([^\s:/[\],]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})$/;
const IPC = /^ipc:\/\/(.+)$/s;
const IPC_PATH_BYTES = 107; // of a socket's path, at most

// A list as text, or its pieces. Without one: $SAMOVAR_ENDPOINT, else tcp://127.0.0.1:7711. Throws TypeError, which names the
// piece that is wrong.
export function parseEndpoints(given: string | readonly string[] = process.env.SAMOVAR_ENDPOINT || DEFAULT_ENDPOINT): Endpoints {
  const lists = typeof given === "string" ? [given] : given;
  if (lists.length === 0 || given === "") throw new TypeError("a client needs an endpoint: tcp://HOST:PORT or ipc://PATH");
  const pieces = new Set(lists.flatMap((list) => list.split(",")));
  if (pieces.has("")) throw new TypeError(`'${lists.join(",")}' has an empty endpoint: write them with one comma in between`);
  const fixed: string[] = [];
  const names: DnsName[] = [];
  for (const piece of pieces) {
    const dns = DNS.exec(piece);
    if (dns && isPort(dns[2]!)) names.push({ name: dns[1]!.replace(/[[\]]/g, ""), port: dns[2]! });
    else if (isPort(TCP.exec(piece)?.[1]) || isPath(IPC.exec(piece)?.[1])) fixed.push(piece);
    else throw new TypeError(`'${piece}' is not an endpoint: write ${wayOut(piece)}`);
  }
  return { fixed, names };
}

function isPort(port: string | undefined): boolean {
  return port !== undefined && Number(port) >= 1 && Number(port) <= 65535;
}

function isPath(path: string | undefined): boolean {
  return path !== undefined && Buffer.byteLength(path) <= IPC_PATH_BYTES;
}

function wayOut(piece: string): string {
  if (piece.startsWith("dns+")) return "dns+tcp://NAME:PORT";
  return `tcp://HOST:PORT, dns+tcp://NAME:PORT or ipc://PATH (at most ${IPC_PATH_BYTES} bytes)`;
}

// What a name stands for now, as tcp:// endpoints, sorted. Rejects with the resolver's words.
export async function lookUp({ name, port }: DnsName): Promise<string[]> {
  try {
    const found = await lookup(name, { all: true });
    const hosts = found.map(({ address, family }) => (family === 6 ? `[${address}]` : address));
    return [...new Set(hosts)].map((host) => `tcp://${host}:${port}`).sort();
  } catch (error) {
    throw new Error(`'${name}' has no address: ${error instanceof Error ? error.message : String(error)}`);
  }
}
