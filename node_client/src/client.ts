import { readFileSync } from "node:fs";
import { basename } from "node:path";

import { Call, localOutcome } from "./call.js";
import type { Completion, Outcome } from "./call.js";
import { Connections } from "./connections.js";
import type { Slice } from "./cursor.js";
import { parseEndpoints } from "./endpoints.js";
import { SamovarError, WORDS } from "./errors.js";
import type { Code } from "./errors.js";
import { readKeys } from "./keys.js";
import type { Keys } from "./keys.js";
import * as limits from "./limits.js";
import type { Link } from "./link.js";
import { decodeValue } from "./msgpack.js";
import type { Argument, Value } from "./msgpack.js";
import { Random } from "./random.js";
import { prepare } from "./request.js";
import type { CallOptions, StreamOptions } from "./request.js";
import { Resolver } from "./resolver.js";
import { Keywords } from "./schema.js";
import { Session } from "./session.js";
import { Stream } from "./stream.js";
import { Transport } from "./transport.js";
import { readError, readReplyExt } from "./wire.js";

export interface ClientOptions {
  // Milliseconds, for calls without a timeout of their own. Without both, the method's holds, else the broker's default (30 s),
  // from when the call is sent; it waits up to 30 s for a broker.
  timeout?: number | undefined;
  // Calls beyond this many end as `overloaded` at once.
  maxOutstanding?: number | undefined;
  // Shown to people by the broker. Without it: the program's name.
  name?: string | undefined;
  // Files of `samovar keygen`, where the broker wants keys: this client's own (NAME.key), and the broker's public one
  // (NAME.pub). Both or none.
  keyFile?: string | undefined;
  brokerKeyFile?: string | undefined;
  // Milliseconds. Connections that are older are made anew, one by one and without a call noticing, at about this age: for an
  // address that stands for many brokers (a load balancer's), behind which later ones would get nothing. Without it: never.
  maxConnectionAge?: number | undefined;
}

// What the broker knows about a call; complete for calls with `metadata` only. Milliseconds.
export interface Metadata {
  queuedMs: number | undefined; // in the broker's queue
  runningMs: number; // in the handler; 0 when nothing ran
  worker: string | undefined; // who ran it
  attempt: number; // which try ended the call
  endpoint: string; // of the broker
}

export interface Result<T> {
  value: T;
  attachments: readonly Uint8Array[];
  metadata: Metadata;
}

export interface Service {
  [method: string]: (...args: Argument[]) => Promise<Value>;
}

export interface Streams {
  [method: string]: (...args: Argument[]) => Stream<Value>;
}

interface Waiter {
  idempotent: boolean;
  signal: AbortSignal | undefined;
  onAbort: (() => void) | undefined;
  item(value: Slice, attachments: readonly Uint8Array[]): void;
  end(result: Result<Value> | SamovarError): void;
}

// Connections to one broker, or to several. They connect, and connect again, by themselves; calls made meanwhile wait, within
// their timeout. Without a broker they end as `unavailable` at their timeout. When a broker goes away, the calls that it held end
// as `broker_lost` at once, or are sent again, to another where there is one, if they are idempotent.
//
// Of several brokers a call goes to the better one of two that are chosen by chance: the one that holds fewer calls of this
// client, unless its replies take twice as long. What a broker refuses as `unavailable` goes to another one, and what it refuses
// as `overloaded`, too, within a tenth of the calls. A broker that fails is left alone for a while.
//
// It keeps the program running until close().
export class Client {
  // As given to the constructor, with commas. Which broker a call was made to is said by its metadata, and by its error.
  readonly endpoint: string;
  private readonly session: Session;
  private readonly connections: Connections;
  private readonly resolver: Resolver | undefined;
  private readonly transports = new Map<Link, Transport>();
  private readonly waiters = new Map<Call, Waiter>();
  private timer: NodeJS.Timeout | undefined;
  private timerAt = Infinity;
  private flushing = false;
  private closed = false;

  // An endpoint is tcp://HOST:PORT or ipc://PATH; or dns+tcp://NAME:PORT, for all addresses that NAME has, looked up again every
  // 30 s and when a broker is gone. There may be several, in an array or with commas. Without one: $SAMOVAR_ENDPOINT, else
  // tcp://127.0.0.1:7711. Does not wait for a connection. Throws when one is none, and when a key file cannot be used.
  constructor(
    endpoints?: string | readonly string[],
    private readonly options: ClientOptions = {},
  ) {
    const brokers = parseEndpoints(endpoints);
    this.endpoint = [...brokers.fixed, ...brokers.names.map(({ name, port }) => `dns+tcp://${name}:${port}`)].join(",");
    const { keyFile, brokerKeyFile, maxConnectionAge = 0 } = options;
    if (!(maxConnectionAge >= 0)) throw new RangeError("maxConnectionAge is a number of milliseconds");
    if (!keyFile !== !brokerKeyFile) throw new TypeError("keyFile and brokerKeyFile: both or none");
    const keys = keyFile && brokerKeyFile ? readKeys(keyFile, brokerKeyFile) : undefined;
    const seed = Math.floor(Math.random() * 2 ** 52);
    this.session = new Session({
      name: options.name ?? basename(process.argv[1] ?? "node"),
      pid: process.pid,
      clock: clockName(),
      nonceSeed: seed,
      maxOutstanding: options.maxOutstanding ?? limits.MAX_OUTSTANDING,
    });
    const { links } = this.session;
    this.connections = new Connections(links, (link) => this.connect(link, keys), maxConnectionAge, new Random(seed + 1));
    try {
      this.connections.want(brokers.fixed);
    } catch (error) {
      this.close();
      throw error;
    }
    if (brokers.names.length === 0) return;
    links.whyNone = "their names have not been looked up yet";
    this.resolver = new Resolver(brokers, (found, why) => {
      links.whyNone = why;
      this.connections.want(found);
      this.flushSoon();
    });
  }

  // Resolves to the handler's result; rejects with SamovarError.
  async call<T = Value>(method: string, args: readonly Argument[] = [], options: CallOptions = {}): Promise<T> {
    return (await this.request<T>(method, args, options)).value;
  }

  // The same, with the attachments of the result and its metadata.
  request<T = Value>(method: string, args: readonly Argument[] = [], options: CallOptions = {}): Promise<Result<T>> {
    return new Promise((resolve, reject) => {
      this.start(method, args, options, 0, {
        item: () => undefined,
        end: (result) => (result instanceof SamovarError ? reject(result) : resolve(result as Result<T>)),
      });
    });
  }

  // Starts a method that yields, and gives its items. It need not be read to its end: leave the loop, or cancel() it.
  stream<T = Value>(method: string, args: readonly Argument[] = [], options: StreamOptions = {}): Stream<T> {
    const window = Math.min(Math.max(Math.trunc(options.window ?? limits.DEFAULT_WINDOW), 1), limits.MAX_WINDOW);
    let call: Call | undefined;
    const obey = (act: (call: Call) => void): void => {
      if (!call || !this.waiters.has(call)) return;
      act(call);
      this.deliver();
      this.flushSoon();
    };
    const stream = new Stream<T>(
      {
        widen: (items) => obey((call) => this.session.widen(call, items)),
        cancel: () => obey((call) => this.session.cancel(call)),
      },
      window,
    );
    call = this.start(method, args, options, window, {
      item: (slice, attachments) => {
        try {
          stream.push(decodeValue(slice, attachments) as T, attachments);
        } catch (error) {
          stream.finish(this.error("bad_request", misfit(error), method));
          stream.cancel();
        }
      },
      end: (result) => stream.finish(result instanceof SamovarError ? result : undefined),
    });
    return stream;
  }

  // A service as an object: client.service("ipgeo").country("1.0.1.0"). T may be its interface.
  service<T extends object = Service>(name: string, options: CallOptions = {}): T {
    return new Proxy({} as T, {
      get: (_, method) =>
        typeof method !== "string" || method === "then" // it is no promise
          ? undefined
          : (...args: Argument[]) => this.call(`${name}.${method}`, ...withKeywords(args, options)),
    });
  }

  // The same for methods that yield: for await (const line of client.streams("logs").tail("web")).
  streams<T extends object = Streams>(name: string, options: StreamOptions = {}): T {
    return new Proxy({} as T, {
      get: (_, method) =>
        typeof method !== "string" || method === "then"
          ? undefined
          : (...args: Argument[]) => this.stream(`${name}.${method}`, ...withKeywords(args, options)),
    });
  }

  // Ends what is outstanding as `cancelled`, and the connections.
  close(): void {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.timer);
    this.session.cancelAll("its client was closed");
    this.deliver();
    this.resolver?.close();
    this.connections.closeAll();
  }

  // --- calls ------------------------------------------------------------------------------------------------

  private start(
    method: string,
    args: readonly Argument[],
    options: CallOptions,
    window: number,
    ends: Pick<Waiter, "item" | "end">,
  ): Call | undefined {
    const { signal, idempotent = false } = options;
    const now = clock();
    let call: Call;
    try {
      call = new Call(prepare(method, args, options, window, this.options.timeout, now));
    } catch (error) {
      ends.end(this.error("bad_request", error instanceof Error ? error.message : String(error), method));
      return undefined;
    }
    const abort = (): void => {
      this.session.cancel(call, "its AbortSignal was aborted");
      this.deliver();
      this.flushSoon();
    };
    this.waiters.set(call, { ...ends, idempotent, signal, onAbort: signal && abort });
    if (this.closed || signal?.aborted) {
      const why = this.closed ? "its client was closed" : "its AbortSignal was aborted";
      this.finish(call, localOutcome("cancelled", why));
      return call;
    }
    signal?.addEventListener("abort", abort, { once: true });
    this.session.submit(call, now);
    this.deliver();
    this.flushSoon();
    return call;
  }

  private deliver(): void {
    for (const completion of this.session.takeCompletions()) this.complete(completion);
  }

  private complete(completion: Completion): void {
    const { call } = completion;
    if ("outcome" in completion) return this.finish(call, completion.outcome);
    this.waiters.get(call)?.item(completion.item.value, completion.item.attachments);
  }

  private finish(call: Call, outcome: Outcome): void {
    const waiter = this.waiters.get(call);
    if (!waiter) return;
    this.waiters.delete(call);
    const { signal, onAbort } = waiter;
    if (signal && onAbort) signal.removeEventListener("abort", onAbort);
    waiter.end(this.resultOf(call, outcome, waiter));
  }

  private resultOf(call: Call, outcome: Outcome, waiter: Waiter): Result<Value> | SamovarError {
    const { method } = call.request;
    const { attempt, attachments, runUs, endpoint = "" } = outcome;
    const origin = { method, endpoint: endpoint || this.endpoint, attempt, idempotent: waiter.idempotent };
    const word = WORDS[outcome.status]!;
    if (word !== "ok") {
      const aborted = word === "cancelled" && waiter.signal?.aborted === true;
      const value = outcome.error ?? readError(outcome.value!);
      const error = new SamovarError(word, value, origin, aborted ? waiter.signal?.reason : undefined);
      if (aborted) error.name = "AbortError";
      return error;
    }
    try {
      const ext = outcome.ext && readReplyExt(outcome.ext);
      const queuedMs = milliseconds(ext?.queued_us);
      const metadata = { queuedMs, runningMs: runUs / 1000, worker: ext?.worker, attempt, endpoint };
      return { value: decodeValue(outcome.value!, attachments), attachments, metadata };
    } catch (error) {
      return new SamovarError("bad_request", { message: misfit(error), where: "client" }, origin);
    }
  }

  private error(code: Code, message: string, method: string): SamovarError {
    return new SamovarError(code, { message, where: "client" }, { method });
  }

  // --- connections --------------------------------------------------------------------------------------------

  private connect(link: Link, keys: Keys | undefined): () => void {
    const { session } = this;
    const then = (event: () => void): void => {
      event();
      this.deliver();
      this.flushSoon();
    };
    const transport = new Transport(link.endpoint, keys, {
      connected: () => then(() => session.connected(link, clock())),
      disconnected: () => {
        this.resolver?.hurry();
        then(() => session.disconnected(link, clock()));
      },
      unauthorized: (why) => then(() => session.unauthorized(link, why, clock())),
      handshakeFailed: () => {
        link.handshakeFailed = true;
      },
      message: (frames) => then(() => session.message(link, frames, clock())),
      writable: () => {
        link.busy = false;
        this.flush();
      },
    });
    this.transports.set(link, transport);
    return () => {
      this.transports.delete(link);
      transport.close();
    };
  }

  // Once for all that is done in this turn of the event loop, so that calls made together share a bundle.
  private flushSoon(): void {
    if (this.flushing) return;
    this.flushing = true;
    setImmediate(() => {
      this.flushing = false;
      this.flush();
    });
  }

  private flush(): void {
    if (this.closed) return;
    const now = clock();
    this.session.tick(now);
    this.connections.tick(now);
    for (let next = this.session.nextMessage(now); next; next = this.session.nextMessage(now)) {
      next.link.busy = true;
      this.transports.get(next.link)!.send(next.frames);
    }
    this.deliver();
    this.setTimer(now);
  }

  // A timer that is set for too early only ticks in vain.
  private setTimer(now: number): void {
    const next = Math.min(this.session.nextDeadline(), this.connections.nextDeadline());
    if (next >= this.timerAt) return;
    clearTimeout(this.timer);
    this.timerAt = next;
    this.timer = setTimeout(() => {
      this.timerAt = Infinity;
      this.flush();
    }, Math.min(Math.ceil(next - now), limits.LONGEST_TIMER));
  }
}

// Keywords, as the last argument of a service's method, become what they stand for.
function withKeywords<T extends CallOptions>(args: readonly unknown[], options: T): [Argument[], T] {
  const last = args.at(-1);
  if (!(last instanceof Keywords)) return [args as Argument[], options];
  return [args.slice(0, -1) as Argument[], { ...options, kwargs: { ...options.kwargs, ...last.values } }];
}

// CLOCK_MONOTONIC, which is the clock of `sent_us` on the wire, in milliseconds.
function clock(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}

// Its name; empty where it has none, and times of sending are not said.
function clockName(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return "";
  }
}

function milliseconds(us: number | undefined): number | undefined {
  return us === undefined ? undefined : us / 1000;
}

function misfit(error: unknown): string {
  return `the result has no value in JavaScript: ${error instanceof Error ? error.message : String(error)}`;
}
