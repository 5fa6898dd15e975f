// Looks names of brokers up, again and again.
import { lookUp } from "./endpoints.js";
import type { DnsName, Endpoints } from "./endpoints.js";
import { LOOK_UP_AGAIN, LOOK_UP_PAUSE } from "./limits.js";

// All brokers that are known now; or none, and why.
export type Found = (endpoints: readonly string[], why: string) => void;

export interface Timers {
  set(then: () => void, ms: number): unknown;
  clear(timer: unknown): void;
}

const NODE: Timers = { set: setTimeout, clear: (timer) => clearTimeout(timer as NodeJS.Timeout) };

export class Resolver {
  private readonly known: string[][];
  private told: string | undefined;
  private timer: unknown;
  private state: "looking" | "pausing" | "waiting" | "closed" = "waiting";
  private hurried = false;

  // Calls `found` whenever what it finds has changed. A name that cannot be looked up keeps the addresses that it had.
  constructor(
    private readonly endpoints: Endpoints,
    private readonly found: Found,
    private readonly look: (name: DnsName) => Promise<string[]> = lookUp,
    private readonly timers: Timers = NODE,
  ) {
    this.known = endpoints.names.map(() => []);
    void this.lookAll();
  }

  // Looks at once, or soon if it has just done so: a broker is gone, and others may have come.
  hurry(): void {
    this.hurried = true;
    if (this.state === "waiting") this.next();
  }

  // `found` is not called any more.
  close(): void {
    this.state = "closed";
    this.timers.clear(this.timer);
  }

  private next(): void {
    this.timers.clear(this.timer);
    void this.lookAll();
  }

  private async lookAll(): Promise<void> {
    this.state = "looking";
    this.hurried = false;
    let why = "";
    const look = async (name: DnsName, i: number): Promise<void> => {
      try {
        this.known[i] = await this.look(name);
      } catch (error) {
        why ||= error instanceof Error ? error.message : String(error);
      }
    };
    await Promise.all(this.endpoints.names.map(look));
    if (this.isClosed()) return;
    const now = [...new Set([...this.endpoints.fixed, ...this.known.flat()])];
    const news = JSON.stringify(now.length > 0 ? now : [why]);
    if (news !== this.told) {
      this.told = news;
      this.found(now, why);
    }
    if (this.isClosed()) return; // by who was told
    this.state = "pausing";
    this.timer = this.timers.set(() => this.pause(now.length > 0), LOOK_UP_PAUSE);
  }

  // What was asked for in the first second after a look waits for its end. A name without an address is a broker that is not
  // there yet.
  private pause(isFound: boolean): void {
    if (this.hurried) return this.next();
    this.state = "waiting";
    this.timer = this.timers.set(() => this.next(), isFound ? LOOK_UP_AGAIN - LOOK_UP_PAUSE : LOOK_UP_PAUSE);
  }

  private isClosed(): boolean {
    return this.state === "closed";
  }
}
