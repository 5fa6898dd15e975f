// Why a call did not give a result.
import type { ErrorValue } from "./wire.js";

// The outcomes of PROTOCOL.md, section 1; the index is the number on the wire.
export const WORDS = [
  "ok",
  "app_error",
  "bad_request",
  "no_service",
  "unavailable",
  "overloaded",
  "deadline_exceeded",
  "worker_lost",
  "cancelled",
  "too_large",
  "unauthorized",
  "protocol_error",
  "broker_lost",
  "internal",
  "schema_mismatch",
] as const;
export type Word = (typeof WORDS)[number];
export type Code = Exclude<Word, "ok">;

const NOTHING_RAN: ReadonlySet<Code> = new Set<Code>(["unavailable", "overloaded"]);
const MAY_HAVE_RUN: ReadonlySet<Code> = new Set<Code>(["worker_lost", "broker_lost"]);

export interface ErrorOrigin {
  method: string;
  endpoint?: string; // of the broker that held it; else all of the client's
  attempt?: number;
  idempotent?: boolean;
}

// `message` reads "worker_lost: the worker was killed by signal 9 (ipgeo.country at tcp://127.0.0.1:7711)".
export class SamovarError extends Error {
  override name = "SamovarError"; // "AbortError" for a call that its AbortSignal has ended
  readonly code: Code;
  readonly reason: string; // one sentence for a person
  readonly where: string | undefined; // "client", "queued", "running", "worker", "broker": where the call was when it ended
  readonly canRetry: boolean; // the same call may be made again: nothing ran, or it was marked idempotent
  readonly retryAfterMs: number | undefined; // overloaded: how long to wait before
  readonly type: string | undefined; // app_error: the exception's type, "ValueError"
  readonly traceback: string | undefined; // app_error: Python's, unless the worker hides it
  readonly pid: number | undefined; // worker_lost: the process that died
  readonly signal: number | undefined; // worker_lost: what ended it
  readonly exitCode: number | undefined; // worker_lost: when no signal ended it
  readonly stderr: string | undefined; // worker_lost: the last lines that it wrote
  readonly pythonStack: string | undefined; // worker_lost: where its code was, when its supervisor killed it
  readonly method: string;
  readonly endpoint: string | undefined;
  readonly attempt: number; // which try ended the call; 0 when none was sent

  constructor(code: Code, value: ErrorValue, origin: ErrorOrigin, cause?: unknown) {
    const { method, endpoint } = origin;
    const at = endpoint && !value.message.includes(endpoint.split(",")[0]!) ? ` at ${endpoint}` : "";
    super(`${code}: ${value.message} (${method}${at})`, cause === undefined ? undefined : { cause });
    this.code = code;
    this.reason = value.message;
    this.where = value.where;
    this.canRetry = NOTHING_RAN.has(code) || (MAY_HAVE_RUN.has(code) && origin.idempotent === true);
    this.retryAfterMs = value.retry_after_us === undefined ? undefined : value.retry_after_us / 1000;
    this.type = value.type;
    this.traceback = value.traceback;
    this.pid = value.pid;
    this.signal = value.signal;
    this.exitCode = value.exit_code;
    this.stderr = value.stderr;
    this.pythonStack = value.stack;
    this.method = method;
    this.endpoint = endpoint;
    this.attempt = origin.attempt ?? 0;
  }
}
