// From what a caller says to what a session sends.
import type { Request } from "./call.js";
import * as limits from "./limits.js";
import { encodeValues } from "./msgpack.js";
import type { Argument } from "./msgpack.js";
import { declarationOf } from "./schema.js";
import type { ServiceSchema } from "./schema.js";
import { Flag } from "./wire.js";

export type Priority = "urgent" | "normal" | "bulk";

export interface CallOptions {
  // Milliseconds from now to the call's end, whatever happens.
  timeout?: number | undefined;
  // Ends the call: it rejects with a SamovarError of the name AbortError and the code `cancelled`, whose cause is the
  // signal's reason, and the handler is told to stop.
  signal?: AbortSignal | undefined;
  // It may run more than once: it is sent again when its worker or its broker is lost, within its timeout.
  idempotent?: boolean | undefined;
  priority?: Priority | undefined;
  // The result shall carry metadata: Client.request().
  metadata?: boolean | undefined;
  // It is run although the broker refuses such calls, since they were running when workers died.
  replay?: boolean | undefined;
  kwargs?: { readonly [name: string]: Argument } | undefined;
  // Large buffers that travel beside the arguments, at most 64; not to be changed until the call has ended.
  attachments?: readonly Uint8Array[] | undefined;
  // W3C trace context; the handler sees it.
  traceparent?: string | undefined;
  // Calls with the same key go to the same worker, at whatever broker, as long as that one lives and has room: for handlers that
  // keep something about what they have seen. Empty: none.
  affinity?: string | undefined;
  // What the caller's types were made of: it ends as `schema_mismatch` when the method has changed so that it would do harm.
  schema?: ServiceSchema | undefined;
}

export interface StreamOptions extends CallOptions {
  // How many items may be under way to a reader that has not taken them yet: 1 to 1,024. Without it: 16.
  window?: number | undefined;
}

const PRIORITIES: Record<Priority, number> = { urgent: 0, normal: 1, bulk: 2 };

// `window`: of a stream, else 0. Throws for what cannot be sent.
export function prepare(
  method: string,
  args: readonly Argument[],
  options: CallOptions,
  window: number,
  defaultTimeout: number | undefined,
  now: number,
): Request {
  const { timeout = defaultTimeout, idempotent, metadata, replay, kwargs = null } = options;
  if (timeout !== undefined && !(timeout > 0)) throw new RangeError("a timeout is a number of milliseconds above 0");
  if (!Array.isArray(args)) throw new TypeError("the arguments of a call are an array");
  const attachments = [...(options.attachments ?? [])];
  if (!attachments.every((each) => each instanceof Uint8Array)) throw new TypeError("an attachment is a Uint8Array");
  const body = encodeValues([args, kwargs, null], attachments); // adds the elements of arrays to the attachments
  const ext = encodeExt(attachments.length, options, window);
  return {
    method,
    tail: ext ? Buffer.concat([body.subarray(0, -1), ext]) : body, // in place of its last nil
    attachments,
    flags:
      (idempotent ? Flag.idempotent : 0) |
      (metadata ? Flag.metadata : 0) |
      (replay ? Flag.replay : 0) |
      (window > 0 ? Flag.stream : 0),
    deadline: now + Math.min(timeout ?? limits.BROKER_WAIT, limits.MAX_TIMEOUT),
    ownTimeout: timeout !== undefined,
    schema: options.schema && declarationOf(options.schema),
  };
}

// Nothing where there is nothing to say.
function encodeExt(attachments: number, options: CallOptions, window: number): Uint8Array | undefined {
  const { priority, traceparent, schema } = options;
  const affinity = options.affinity || undefined;
  if (priority !== undefined && !(priority in PRIORITIES)) throw new RangeError(`'${priority}' is no priority`);
  if (affinity !== undefined && typeof affinity !== "string") throw new TypeError("an affinity is a text");
  const ownWindow = window > 0 && window !== limits.DEFAULT_WINDOW;
  const says = priority !== undefined || traceparent !== undefined || affinity !== undefined || schema !== undefined;
  if (attachments === 0 && !says && !ownWindow) return undefined;
  const ext = {
    attachments: attachments || undefined,
    priority: priority && PRIORITIES[priority],
    traceparent,
    affinity,
    window: ownWindow ? window : undefined,
    schema: schema?.hash,
  };
  return encodeValues([ext], []);
}
