// A message of several calls, within the limits of its broker.
import type { Call } from "./call.js";
import type { Link } from "./link.js";
import * as limits from "./limits.js";
import * as wire from "./wire.js";

export class Bundle {
  private readonly items: wire.RequestItem[] = [];
  private readonly attachments: Uint8Array[] = [];
  private bytes = wire.MESSAGE_HEAD;

  // `most`: calls.
  constructor(
    private readonly link: Link,
    private readonly most: number,
  ) {}

  get isEmpty(): boolean {
    return this.items.length === 0;
  }

  isFull(): boolean {
    return this.items.length >= Math.min(this.most, this.link.broker!.max_bundle);
  }

  // Whether the broker would take it alone.
  canTake(call: Call): boolean {
    return wire.MESSAGE_HEAD + sizeOf(call) <= this.link.broker!.max_body;
  }

  hasRoomFor(call: Call): boolean {
    const most = Math.min(limits.BUNDLE_BYTES, this.link.broker!.max_body);
    return this.isEmpty || this.bytes + sizeOf(call) <= most;
  }

  add(call: Call, now: number): void {
    const { method, tail, flags, deadline, ownTimeout, attachments } = call.request;
    const timeoutUs = ownTimeout ? Math.max(1, Math.floor((deadline - now) * 1000)) : 0;
    this.items.push({ id: call.id, attempt: call.attempts, flags, timeoutUs, method, tail });
    this.attachments.push(...attachments);
    this.bytes += sizeOf(call);
  }

  frames(sentUs: number): Uint8Array[] {
    return [wire.encodeRequests(this.link.epoch, sentUs, this.items), ...this.attachments];
  }
}

function sizeOf(call: Call): number {
  return wire.ITEM_HEAD + call.request.method.length + call.size;
}
