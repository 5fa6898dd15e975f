// One connection to one broker, without a socket: its handshake and its epoch. Session holds the table of what happens
// when; this is what it happens to.
import type { Call } from "./call.js";
import { Health } from "./health.js";
import { HELLO_AGAIN, MAX_BUNDLE, PING, REFUSED_FOR } from "./limits.js";
import { encodeValues } from "./msgpack.js";
import { encodeCancel, encodeDrained, encodeHello, encodeRequests, encodeWindows } from "./wire.js";
import type { BrokerHello } from "./wire.js";

// The id of a session's own requests: nobody waits for their replies.
export const OWN = 0;

const NO_ARGUMENTS = encodeValues([[], null, null], []);

// Who says HELLO.
export interface Introduction {
  name: string;
  pid: number;
  clock: string; // PROTOCOL.md 5.1; empty: not said, and then times of sending are not either
}

export type LinkState =
  | "disconnected"
  | "greeting" // HELLO has been said, or is about to be
  | "ready" // there is an epoch
  | "refused"; // this connection is of no use

// Why nothing can be hoped of a broker; `unavailable`: it goes away.
export interface Hopeless {
  word: "protocol_error" | "unauthorized" | "unavailable";
  why: string;
}

interface Refusal extends Hopeless {
  until: number; // when there is no connection: a broker that is gone refuses nobody
}

export class Link {
  state: LinkState = "disconnected";
  epoch = 0;
  broker: BrokerHello | undefined; // while ready
  draining = false;
  busy = false; // the transport takes no message now; set by its owner
  retiring = false; // takes no more calls, and goes when the last has ended
  readonly health = new Health();
  handshakeFailed = false; // something else listens there; for messages only, set by its owner
  lastMalformed = "";
  refusal: Refusal | undefined;

  helloPending = false;
  helloAgainAt = 0;
  pingPending = false;
  drainedPending = false; // to be said: nothing more will come

  readonly sent = new Map<number, Call>();
  readonly declared = new Set<number>(); // hashes of schemas that the broker has been told
  cancels: number[] = [];
  windows = new Map<number, number>(); // by the stream's id: how many items its reader takes in all

  constructor(
    readonly endpoint: string,
    public nonce: number,
  ) {}

  greet(now: number): void {
    this.state = "greeting";
    this.epoch = 0;
    this.refusal = undefined;
    this.nonce = (this.nonce + 1) % Number.MAX_SAFE_INTEGER;
    this.helloPending = true;
    this.helloAgainAt = now + HELLO_AGAIN;
  }

  // False: it answers no HELLO of ours.
  welcome(epoch: number, broker: BrokerHello): boolean {
    if (this.state !== "greeting" || this.helloPending || broker.nonce !== this.nonce) return false;
    this.broker = { ...broker, max_bundle: Math.min(Math.max(broker.max_bundle, 1), MAX_BUNDLE) };
    this.epoch = epoch;
    this.draining = this.drainedPending = false;
    this.declared.clear();
    this.state = "ready";
    return true;
  }

  refuse(word: Refusal["word"], why: string): void {
    this.state = "refused";
    this.refusal = { word, why, until: 0 };
  }

  // Its handshakes are refused: there is no connection.
  refuseHandshake(why: string, now: number): void {
    this.refusal = { word: "unauthorized", why, until: now + REFUSED_FOR };
  }

  disconnect(): void {
    this.state = "disconnected";
    this.helloPending = false;
  }

  // A HELLO that was lost; or one that was refused, and may be allowed now.
  greetsAgain(): boolean {
    return this.state === "greeting" || (this.state === "refused" && this.refusal?.word === "unauthorized");
  }

  takesCalls(): boolean {
    return this.state === "ready" && !this.draining && !this.busy && !this.retiring;
  }

  // It has failed, and is asked now and then whether it is well again.
  isSuspect(): boolean {
    return !this.health.trusted && this.state === "ready" && !this.draining && !this.retiring;
  }

  // It can be removed: nothing is there any more, and nothing is to be said.
  isOver(): boolean {
    return this.retiring && this.sent.size === 0 && !this.busy && (this.state !== "ready" || this.cancels.length === 0);
  }

  // What is to be said beside calls, if anything.
  nextControl({ name, pid, clock }: Introduction): Uint8Array | undefined {
    if (this.state === "greeting" && this.helloPending) {
      this.helloPending = false;
      return encodeHello({ nonce: this.nonce, name, pid, clock });
    }
    if (this.state !== "ready") return undefined;
    const most = this.broker!.max_bundle;
    if (this.pingPending) {
      this.pingPending = false;
      return this.ask("samovar.ping", PING * 1000, NO_ARGUMENTS);
    }
    if (this.drainedPending) {
      this.drainedPending = false;
      return encodeDrained(this.epoch);
    }
    if (this.cancels.length > 0) return encodeCancel(this.epoch, this.cancels.splice(0, most));
    if (this.windows.size === 0) return undefined;
    const windows = [...this.windows].slice(0, most);
    for (const [id] of windows) this.windows.delete(id);
    return encodeWindows(this.epoch, windows);
  }

  // A request of the session's own. Nothing where the broker would not take it.
  ask(method: string, timeoutUs: number, tail: Uint8Array): Uint8Array | undefined {
    const frame = encodeRequests(this.epoch, 0, [{ id: OWN, attempt: 1, flags: 0, timeoutUs, method, tail }]);
    return frame.length > this.broker!.max_body ? undefined : frame;
  }

  // Why nothing can be hoped of it for now, if so.
  hopeless(now: number): Hopeless | undefined {
    if (this.state === "ready") {
      return this.draining ? { word: "unavailable", why: `the broker at ${this.endpoint} is going away` } : undefined;
    }
    return this.refusal && (this.state === "refused" || now < this.refusal.until) ? this.refusal : undefined;
  }

  // What is to be sent to it no longer matters.
  forget(): void {
    this.cancels = [];
    this.windows.clear();
    this.pingPending = this.drainedPending = false;
  }
}
