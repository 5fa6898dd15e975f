// The calls of a client, and its connections to one broker or several, without sockets, clock or logging: events go in
// with the time, messages to send and completed calls come out. PROTOCOL.md, sections 2 to 6 and 9.9, is what it follows,
// and client/session.hpp what it does as well. Every call that is submitted is completed exactly once; the items of a
// stream come before that, in order and without a gap.
//
//   event of a link           disconnected   greeting        ready                  refused
//   connected                 greet          greet           lose, greet            greet
//   disconnected              -              disconnected    lose, disconnected     disconnected
//   HELLO that answers ours   stale          ready           stale                  stale
//   REGISTER_AGAIN            stale          stale           lose, greet            stale
//   PROTOCOL_ERROR            stale          refuse          end what was sent      stale
//   REPLY                     stale          stale           completes a call       stale
//   ITEMS                     stale          stale           items of streams       stale
//   DRAIN                     stale          stale           nothing new goes there stale
//   malformed message         counted        counted         counted                counted
//
// greet: say HELLO under a new nonce, in state greeting. lose: what was sent ends as broker_lost, or waits again when it is
// idempotent; then the link that is ready and holds the fewest takes it, as it takes every call. refuse: nothing goes there.
// Where nothing can be hoped of any link, calls end at once.
import { Call } from "./call.js";
import type { Completion, Outcome } from "./call.js";
import { Malformed } from "./cursor.js";
import { Deadlines } from "./deadlines.js";
import { WORDS } from "./errors.js";
import type { Code } from "./errors.js";
import * as limits from "./limits.js";
import { Link } from "./link.js";
import type { Declaration } from "./schema.js";
import * as wire from "./wire.js";

// The id of a schema's declaration: nobody waits for its reply.
const DECLARATION = 0;

export interface SessionConfig {
  endpoints: readonly string[];
  name: string;
  pid: number;
  clock: string; // PROTOCOL.md 5.1; empty: not said, and then times of sending are not either
  nonceSeed: number; // random in life, fixed in tests
  maxOutstanding: number;
}

export class Session {
  readonly links: readonly Link[];
  readonly counters = { lateReplies: 0, staleMessages: 0, malformed: 0, sentAgain: 0 };
  private waiting = new Map<number, Call>(); // in the order in which they are to be sent
  private waitingBytes = 0;
  private readonly deadlines = new Deadlines<Call>();
  private outstanding = 0;
  private lastId = 0;
  private completions: Completion[] = [];

  constructor(private readonly config: SessionConfig) {
    this.links = config.endpoints.map((endpoint) => new Link(endpoint, config.nonceSeed));
  }

  // --- the connections ------------------------------------------------------------------------------------

  connected(link: Link, now: number): void {
    const held = link.state === "ready";
    link.handshakeFailed = false;
    link.lastMalformed = "";
    link.greet(now);
    if (held) this.lose(link, "its connection was made anew", now);
  }

  disconnected(link: Link, now: number): void {
    const held = link.state === "ready";
    link.disconnect();
    if (held) this.lose(link, "its connection broke", now);
  }

  // The broker refuses this client's key, or its having none.
  unauthorized(link: Link, why: string, now: number): void {
    if (link.state !== "disconnected") return;
    link.refuseHandshake(`the broker at ${link.endpoint} ${why}`, now);
    this.endHopeless(now);
  }

  // Something answers there, but does not speak ZeroMQ: for messages only.
  handshakeFailed(link: Link): void {
    link.handshakeFailed = true;
  }

  message(link: Link, frames: readonly Uint8Array[], now: number): void {
    try {
      this.handle(link, wire.decodeMessage(frames), now);
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      this.counters.malformed += 1;
      link.lastMalformed = error.message;
    }
  }

  private handle(link: Link, message: wire.Message, now: number): void {
    const ready = link.state === "ready";
    const current = ready && message.epoch === link.epoch;
    switch (message.kind) {
      case "probe":
        return;
      case "hello":
        if (!link.welcome(message.epoch, message.hello)) break;
        return;
      case "register_again":
        if (!ready) break;
        link.greet(now);
        return this.lose(link, "it does not know this connection any more", now);
      case "protocol_error":
        return this.protocolError(link, message.error, now);
      case "drain":
        if (!current) break;
        link.draining = true;
        return this.endHopeless(now);
      case "reply":
        if (!current) break;
        return message.items.forEach((item) => this.reply(link, item));
      case "items":
        if (!current) break;
        return message.items.forEach((item) => this.item(link, item));
    }
    this.counters.staleMessages += 1;
  }

  private protocolError(link: Link, error: wire.ProtocolError, now: number): void {
    const word = error.unauthorized ? "unauthorized" : "protocol_error";
    const why = `the broker refused what this client sent: ${error.message}`;
    if (link.state === "greeting" && !link.helloPending) {
      link.refuse(word, why);
      this.endHopeless(now);
    } else if (link.state === "ready") {
      link.forget(); // a whole message was refused, and nothing says which
      for (const call of [...link.sent.values()]) this.fail(call, word, why);
    } else {
      this.counters.staleMessages += 1;
    }
  }

  private find(link: Link, id: number, attempt: number): Call | undefined {
    const call = link.sent.get(id);
    if (call && attempt >= call.attempts) return call;
    this.counters.lateReplies += 1;
    return undefined;
  }

  private reply(link: Link, item: wire.ReplyItem): void {
    if (item.id === DECLARATION) return;
    const call = this.find(link, item.id, item.attempt);
    if (!call) return;
    const { attempt, runUs, value, ext, attachments } = item;
    const status = item.status < WORDS.length ? item.status : WORDS.indexOf("internal");
    this.complete(call, { status, attempt, endpoint: link.endpoint, runUs, value, ext, attachments });
  }

  private item(link: Link, item: wire.StreamItem): void {
    const call = this.find(link, item.id, item.attempt);
    if (!call) return;
    if ((call.request.flags & wire.Flag.stream) === 0 || item.seq !== call.items) {
      link.cancels.push(call.id);
      return this.fail(call, "protocol_error", `item ${item.seq} came where item ${call.items} was due`);
    }
    call.items += 1;
    this.completions.push({ call, item: { value: item.value, attachments: item.attachments } });
  }

  // The epoch is over: what was sent under it ends, or waits again where its caller allowed that.
  private lose(link: Link, why: string, now: number): void {
    link.forget();
    const again: [number, Call][] = [];
    for (const call of [...link.sent.values()]) {
      const { flags, ownTimeout, deadline } = call.request;
      if ((flags & wire.Flag.idempotent) === 0 || call.attempts >= limits.MAX_ATTEMPTS || call.items > 0) {
        this.fail(call, "broker_lost", `the broker went away while it held the call (${why}): it may have run`);
        continue;
      }
      call.link = undefined;
      this.waitingBytes += call.size;
      this.deadlines.move(call, ownTimeout ? deadline : now + limits.BROKER_WAIT);
      again.push([call.id, call]);
    }
    link.sent.clear();
    if (again.length > 0) this.waiting = new Map([...again, ...this.waiting]);
    this.endHopeless(now);
  }

  // Why no call can be sent for now, if so: what holds for all links, of the first.
  private hopeless(now: number): ReturnType<Link["hopeless"]> {
    const all = this.links.map((link) => link.hopeless(now));
    if (all.some((each) => each === undefined)) return undefined;
    return all.find((each) => each?.word === "unavailable") ?? all[0];
  }

  private endHopeless(now: number): void {
    if (this.waiting.size === 0) return;
    const end = this.hopeless(now);
    if (!end) return;
    for (const call of [...this.waiting.values()]) {
      if (call.attempts === 0 || end.word !== "unavailable") this.fail(call, end.word, end.why);
      else this.fail(call, "broker_lost", `${end.why}, and so had the one that held the call before: it may have run`);
    }
  }

  // --- the callers ----------------------------------------------------------------------------------------

  submit(call: Call, now: number): void {
    const { method, attachments, deadline } = call.request;
    const refuse = (code: Code, message: string): void => {
      this.completions.push({ call, outcome: localOutcome(code, message) });
    };
    if (!wire.isMethod(method)) {
      return refuse("bad_request", `'${method.slice(0, 80)}' is not a method's name: write SERVICE.METHOD`);
    }
    if (attachments.length > limits.MAX_ATTACHMENTS) {
      return refuse("bad_request", `a call can carry ${limits.MAX_ATTACHMENTS} attachments at most`);
    }
    const end = this.hopeless(now);
    if (end) return refuse(end.word, end.why);
    if (this.outstanding >= this.config.maxOutstanding) {
      return refuse("overloaded", `${this.outstanding} calls of this client are outstanding already`);
    }
    if (this.waiting.size > 0 && this.waitingBytes + call.size > limits.MAX_WAITING_BYTES) {
      return refuse("overloaded", `${this.waitingBytes} bytes of calls wait for the broker already`);
    }
    call.id = ++this.lastId;
    call.due = deadline;
    this.outstanding += 1;
    this.waitingBytes += call.size;
    this.waiting.set(call.id, call);
    this.deadlines.add(call);
  }

  // Ends the call as `cancelled`, and tells the broker. One that has ended is left alone.
  cancel(call: Call, why = "the caller cancelled the call"): void {
    if (!this.isOutstanding(call)) return;
    call.link?.cancels.push(call.id);
    this.fail(call, "cancelled", why);
  }

  cancelAll(why: string): void {
    for (const link of this.links) for (const call of [...link.sent.values()]) this.cancel(call, why);
    for (const call of [...this.waiting.values()]) this.cancel(call, why);
  }

  // The reader of a stream takes so many items in all.
  widen(call: Call, window: number): void {
    if (this.isOutstanding(call)) call.link?.windows.set(call.id, window);
  }

  private isOutstanding(call: Call): boolean {
    return (call.link?.sent ?? this.waiting).get(call.id) === call;
  }

  // --- time -----------------------------------------------------------------------------------------------

  tick(now: number): void {
    for (let call = this.deadlines.first(); call && call.due <= now; call = this.deadlines.first()) this.expire(call);
    for (const link of this.links) if (link.greetsAgain() && link.helloAgainAt <= now) link.greet(now);
  }

  nextDeadline(): number {
    const greetings = this.links.filter((link) => link.greetsAgain()).map((link) => link.helloAgainAt);
    return Math.min(this.deadlines.first()?.due ?? Infinity, ...greetings);
  }

  // The call's time is up, and nobody else has said so.
  private expire(call: Call): void {
    if (call.link) {
      call.link.cancels.push(call.id);
      const why = "the broker said nothing: it is stopped or cut off; the call may have run";
      return this.fail(call, "deadline_exceeded", `the time was up, and ${why}`);
    }
    if (call.attempts > 0) {
      const why = "none came in time to send it to again: it may have run";
      return this.fail(call, "broker_lost", `the broker went away while it held the call, and ${why}`);
    }
    if (this.links.some((link) => link.state === "ready")) {
      return this.fail(call, "deadline_exceeded", "the time was up before the call could be sent");
    }
    const mute = this.links.find((link) => link.state !== "disconnected");
    if (mute) {
      const what = mute.lastMalformed ? `cannot be understood: ${mute.lastMalformed}` : "does not answer";
      return this.fail(call, "unavailable", `the broker at ${mute.endpoint} takes connections, but ${what}`);
    }
    const where = this.links.map((link) => link.endpoint).join(" or ");
    const hint = this.links.some((link) => link.handshakeFailed) ? "something else listens there" : "is samovard running there?";
    this.fail(call, "unavailable", `no broker answers at ${where}: ${hint}`);
  }

  // --- what is to be sent -----------------------------------------------------------------------------------

  // The frames of the next message for this broker, if there is one: what waits now, bundled; never waits for more. Once
  // given it counts as sent.
  nextMessage(link: Link, now: number): Uint8Array[] | undefined {
    if (link.state === "greeting" && link.helloPending) {
      link.helloPending = false;
      const { name, pid, clock } = this.config;
      return [wire.encodeHello({ nonce: link.nonce, name, pid, clock })];
    }
    if (link.state !== "ready") return undefined;
    if (link.cancels.length > 0) {
      return [wire.encodeCancel(link.epoch, link.cancels.splice(0, link.broker!.max_bundle))];
    }
    if (link.windows.size > 0) {
      const windows = [...link.windows].slice(0, link.broker!.max_bundle);
      for (const [id] of windows) link.windows.delete(id);
      return [wire.encodeWindows(link.epoch, windows)];
    }
    return this.nextBundle(link, now);
  }

  private nextBundle(link: Link, now: number): Uint8Array[] | undefined {
    if (this.waiting.size === 0 || !link.takesCalls()) return undefined;
    const { max_body: maxBody, max_bundle: maxBundle, max_timeout_us: maxTimeoutUs } = link.broker!;
    const most = Math.min(this.share(link), maxBundle);
    const items: wire.RequestItem[] = [];
    const attachments: Uint8Array[] = [];
    let bytes = wire.MESSAGE_HEAD;
    for (const call of this.waiting.values()) {
      const { method, tail, flags, deadline, ownTimeout, schema } = call.request;
      if (items.length >= most) break;
      if (call.due <= now) {
        this.expire(call);
        continue;
      }
      if (schema && !link.declared.has(schema.hash)) {
        if (items.length > 0) break;
        const declaration = declare(link, schema);
        if (declaration) return [declaration];
      }
      const size = wire.ITEM_HEAD + method.length + call.size;
      if (items.length > 0 && bytes + size > Math.min(limits.BUNDLE_BYTES, maxBody)) break;
      if (bytes + size > maxBody) {
        const takes = `the broker at ${link.endpoint} takes ${maxBody} in a message`;
        this.fail(call, "too_large", `the call has ${call.size} bytes, ${takes}`);
        continue;
      }
      bytes += size;
      attachments.push(...call.request.attachments);
      call.attempts += 1;
      if (call.attempts > 1) this.counters.sentAgain += 1;
      const timeoutUs = ownTimeout ? Math.max(1, Math.floor((deadline - now) * 1000)) : 0;
      items.push({ id: call.id, attempt: call.attempts, flags, timeoutUs, method, tail });
      this.waiting.delete(call.id);
      this.waitingBytes -= call.size;
      call.link = link;
      link.sent.set(call.id, call);
      // Without a timeout of its own: beyond any deadline that the broker may have set.
      const longest = ownTimeout ? 0 : Math.min(maxTimeoutUs / 1000, limits.MAX_TIMEOUT);
      this.deadlines.move(call, call.due + longest + limits.DEADLINE_GRACE);
    }
    if (items.length === 0) return undefined;
    const sentUs = this.config.clock ? Math.floor(now * 1000) : 0;
    return [wire.encodeRequests(link.epoch, sentUs, items), ...attachments];
  }

  // How many of the waiting calls are this link's, so that in the end all hold as many as they can be made to.
  private share(link: Link): number {
    const held = this.links.filter((each) => each.takesCalls()).map((each) => each.sent.size);
    if (held.length === 1) return this.waiting.size;
    held.sort((a, b) => a - b);
    let sum = this.waiting.size;
    let level = 0;
    for (let i = 0; i < held.length && (i === 0 || held[i]! < level); ++i) {
      sum += held[i]!;
      level = Math.ceil(sum / (i + 1));
    }
    return level - link.sent.size;
  }

  // --- ends -------------------------------------------------------------------------------------------------

  // What has been completed since the last time, and the items that came, in order.
  takeCompletions(): Completion[] {
    const taken = this.completions;
    if (taken.length > 0) this.completions = [];
    return taken;
  }

  private complete(call: Call, outcome: Outcome): void {
    if (call.link) {
      call.link.sent.delete(call.id);
      call.link.windows.delete(call.id);
    } else {
      this.waiting.delete(call.id);
      this.waitingBytes -= call.size;
    }
    this.deadlines.remove(call);
    this.outstanding -= 1;
    this.completions.push({ call, outcome });
  }

  private fail(call: Call, code: Code, message: string): void {
    this.complete(call, localOutcome(code, message, call.attempts, call.link?.endpoint));
  }
}

// Before the first call of a caller that was built against a schema, the broker is told that schema. Nothing where it would not
// take it: calls are not compared then.
function declare(link: Link, schema: Declaration): Uint8Array | undefined {
  link.declared.add(schema.hash);
  const item = { id: DECLARATION, attempt: 1, flags: 0, timeoutUs: 0, method: "samovar.declare", tail: schema.tail };
  const frame = wire.encodeRequests(link.epoch, 0, [item]);
  return frame.length > link.broker!.max_body ? undefined : frame;
}

// The outcome of a call that ends here and not at the broker.
export function localOutcome(code: Code, message: string, attempt = 0, endpoint?: string): Outcome {
  const error = { message, where: "client" };
  return { status: WORDS.indexOf(code), attempt, endpoint, error, runUs: 0, attachments: [] };
}
