// One call on its way, as the session sees it.
import type { Slice } from "./cursor.js";
import type { Timed } from "./deadlines.js";
import { WORDS } from "./errors.js";
import type { Code } from "./errors.js";
import type { Link } from "./link.js";
import type { Declaration } from "./schema.js";
import type { ErrorValue } from "./wire.js";

// What the caller sets; the session reads it only.
export interface Request {
  method: string;
  tail: Uint8Array; // msgpack: args, kwargs, ext
  attachments: readonly Uint8Array[];
  flags: number;
  // Milliseconds on the session's clock. Where `ownTimeout` is false: until when it waits for a broker; once it is sent, the
  // broker sets the deadline.
  deadline: number;
  ownTimeout: boolean;
  schema: Declaration | undefined; // that its caller was built against: the broker is told before
}

export class Call implements Timed {
  id = 0; // set by the session; 0: refused at once
  attempts = 0; // how often it was sent
  items = 0; // of a stream: how many have come
  link: Link | undefined; // where it was sent; undefined: it waits
  sentAt = 0;
  lost = false; // a broker that held it went away: it may have run
  tried: Set<Link> | undefined; // those that refused it
  due = 0;
  place = 0;
  readonly size: number; // bytes of its body, attachments included

  constructor(readonly request: Request) {
    this.size = request.attachments.reduce((sum, each) => sum + each.byteLength, request.tail.byteLength);
  }
}

// How a call ended: `error` where it ended in this client, else what came from the broker.
export interface Outcome {
  status: number; // PROTOCOL.md, section 1
  attempt: number;
  endpoint: string | undefined;
  error?: ErrorValue;
  runUs: number;
  value?: Slice;
  ext?: Slice;
  attachments: readonly Uint8Array[];
}

// The end of a call, or an item of a stream.
export type Completion =
  | { call: Call; outcome: Outcome }
  | { call: Call; item: { value: Slice; attachments: readonly Uint8Array[] } };

// The outcome of a call that ends here and not at the broker.
export function localOutcome(code: Code, message: string, attempt = 0, endpoint?: string): Outcome {
  const error = { message, where: "client" };
  return { status: WORDS.indexOf(code), attempt, endpoint, error, runUs: 0, attachments: [] };
}
