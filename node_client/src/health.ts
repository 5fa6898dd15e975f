// How well one of several brokers serves this client: how long its replies take, and whether it had better be left alone for a
// while. A broker that failed (its connection broke, or a call's time was up without a word of it) gets no calls until it has
// answered a ping, which it gets after a back-off.
import { EJECTED, EJECTED_LONGEST, PING } from "./limits.js";

const WEIGHT = 0.05; // of the latest reply
const HALF_LIFE = 1_000; // of what is known about latency

export class Health {
  private failures = 0; // since it has answered last
  private pinged = false;
  private dueAt = Infinity;
  private latencyMs = 0;
  private measuredAt = 0;

  get trusted(): boolean {
    return this.failures === 0;
  }

  // Of one that is not trusted: when it is to be pinged, or when that has failed.
  get due(): number {
    return this.dueAt;
  }

  // It has said something about a call.
  answered(): void {
    this.failures = 0;
    this.pinged = false;
  }

  // And that was a result, so many milliseconds after the call was sent.
  took(ms: number, now: number): void {
    this.latencyMs = this.latencyMs === 0 ? ms : this.latencyMs + (ms - this.latencyMs) * WEIGHT;
    this.measuredAt = now;
  }

  // `jitter`: of Random.
  failed(now: number, jitter: number): void {
    this.dueAt = now + Math.min(EJECTED * 2 ** this.failures, EJECTED_LONGEST) * jitter;
    this.failures += 1;
    this.pinged = false;
  }

  // What is due: true, it is to be pinged now.
  tick(now: number, jitter: number): boolean {
    if (this.pinged) {
      this.failed(now, jitter);
      return false;
    }
    this.pinged = true;
    this.dueAt = now + PING;
    return true;
  }

  // Of its recent replies; an old figure counts less and less, so that one that was slow is tried again. 0: unknown.
  latency(now: number): number {
    return this.latencyMs * 2 ** ((this.measuredAt - now) / HALF_LIFE);
  }
}

// Whether a broker with so many calls of this client and such a latency is a better choice for the next one than another.
// Latencies count where one is twice the other: what lies within that is chance, and would make brokers of equal speed
// unequally busy.
export function better(calls: number, latency: number, otherCalls: number, otherLatency: number): boolean {
  const slower = (one: number, other: number): number => (one > 2 * other && other > 0 ? one / other : 1);
  return (calls + 1) * slower(latency, otherLatency) < (otherCalls + 1) * slower(otherLatency, latency);
}
