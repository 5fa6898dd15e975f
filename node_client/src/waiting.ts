// The calls that wait for a broker, in the order in which they are to be sent: those that were sent before come first.
import type { Call } from "./call.js";

export class Waiting {
  bytes = 0;
  private readonly again = new Map<number, Call>();
  private readonly fresh = new Map<number, Call>();

  get size(): number {
    return this.again.size + this.fresh.size;
  }

  get first(): Call | undefined {
    for (const call of this) return call;
    return undefined;
  }

  add(call: Call): void {
    (call.attempts > 0 ? this.again : this.fresh).set(call.id, call);
    this.bytes += call.size;
  }

  has(call: Call): boolean {
    return (this.again.get(call.id) ?? this.fresh.get(call.id)) === call;
  }

  remove(call: Call): void {
    if (this.again.delete(call.id) || this.fresh.delete(call.id)) this.bytes -= call.size;
  }

  // Calls may be removed meanwhile.
  *[Symbol.iterator](): Iterator<Call> {
    yield* this.again.values();
    yield* this.fresh.values();
  }
}
