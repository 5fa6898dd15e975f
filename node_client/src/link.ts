// One connection to one broker, without a socket: its handshake and its epoch. Session holds the table of what happens
// when; this is what it happens to.
import { Call } from "./call.js";
import { HELLO_AGAIN, MAX_BUNDLE, REFUSED_FOR } from "./limits.js";
import type { BrokerHello } from "./wire.js";

export type LinkState =
  | "disconnected"
  | "greeting" // HELLO has been said, or is about to be
  | "ready" // there is an epoch
  | "refused"; // this connection is of no use

export interface Refusal {
  word: "protocol_error" | "unauthorized";
  why: string;
  until: number; // when there is no connection: a broker that is gone refuses nobody
}

export class Link {
  state: LinkState = "disconnected";
  epoch = 0;
  broker: BrokerHello | undefined; // while ready
  draining = false;
  busy = false; // the transport takes no message now; set by its owner
  handshakeFailed = false; // something else listens there
  lastMalformed = "";
  refusal: Refusal | undefined;

  helloPending = false;
  helloAgainAt = 0;

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
    this.draining = false;
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
    return this.state === "ready" && !this.draining && !this.busy;
  }

  // Why nothing can be hoped of it for now, if so.
  hopeless(now: number): { word: "protocol_error" | "unauthorized" | "unavailable"; why: string } | undefined {
    if (this.state === "ready") {
      return this.draining ? { word: "unavailable", why: `the broker at ${this.endpoint} is going away` } : undefined;
    }
    return this.refusal && (this.state === "refused" || now < this.refusal.until) ? this.refusal : undefined;
  }

  // What is to be sent to it no longer matters.
  forget(): void {
    this.cancels = [];
    this.windows.clear();
  }
}
