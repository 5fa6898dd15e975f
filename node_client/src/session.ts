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
//   DRAIN                     stale          stale           answer, nothing new    stale
//   malformed message         counted        counted         counted                counted
//
// greet: say HELLO under a new nonce, in state greeting. lose: what was sent ends as broker_lost, or waits again when it is
// idempotent. refuse: nothing goes there, for as long as the connection lasts; of one that is unauthorized, until HELLO is tried
// again. Where nothing can be hoped of any link, all that waits ends at once, and so does what comes.
//
// Of several brokers, the next calls go to the better one of two that are chosen by chance (links.ts, health.ts). What a broker
// refuses without having run it goes on to one that has not been asked.
import { CallBudget } from "./budget.js";
import { Bundle } from "./bundle.js";
import { localOutcome } from "./call.js";
import type { Call, Completion, Outcome } from "./call.js";
import { Malformed } from "./cursor.js";
import { Deadlines } from "./deadlines.js";
import { WORDS } from "./errors.js";
import type { Code } from "./errors.js";
import * as limits from "./limits.js";
import { Link, OWN } from "./link.js";
import type { Introduction } from "./link.js";
import { Links } from "./links.js";
import { Random } from "./random.js";
import { Waiting } from "./waiting.js";
import * as wire from "./wire.js";

// What ran nowhere and another broker may take.
const UNAVAILABLE = WORDS.indexOf("unavailable");
const OVERLOADED = WORDS.indexOf("overloaded");

export interface SessionConfig extends Introduction {
  nonceSeed: number; // of nonces and of chance: random in life, fixed in tests
  maxOutstanding: number;
}

// What the transport of a link is to send.
export interface Outgoing {
  link: Link;
  frames: Uint8Array[];
}

export class Session {
  readonly counters = { lateReplies: 0, staleMessages: 0, malformed: 0, sentAgain: 0, moved: 0, overBudget: 0 };
  readonly links: Links;
  private readonly random: Random;
  private readonly budget = new CallBudget();
  private readonly waiting = new Waiting();
  private readonly deadlines = new Deadlines<Call>();
  private outstanding = 0;
  private lastId = 0;
  private completions: Completion[] = [];

  constructor(private readonly config: SessionConfig) {
    this.random = new Random(config.nonceSeed);
    this.links = new Links(this.random, config.nonceSeed);
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
        link.drainedPending = message.answer;
        return this.endHopeless(now);
      case "reply":
        if (!current) break;
        link.health.answered();
        return message.items.forEach((item) => this.reply(link, item, now));
      case "items":
        if (!current) break;
        link.health.answered();
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

  private reply(link: Link, item: wire.ReplyItem, now: number): void {
    if (item.id === OWN) return;
    const call = this.find(link, item.id, item.attempt);
    if (!call || this.move(call, link, item, now)) return;
    if (item.status === 0) link.health.took(now - call.sentAt, now);
    const { attempt, runUs, value, ext, attachments } = item;
    const status = item.status < WORDS.length ? item.status : WORDS.indexOf("internal");
    this.complete(call, { status, attempt, endpoint: link.endpoint, runUs, value, ext, attachments });
  }

  // What one broker refused without having run it, another one may take: each is asked once.
  private move(call: Call, link: Link, { status, attempt }: wire.ReplyItem, now: number): boolean {
    if ((status !== UNAVAILABLE && status !== OVERLOADED) || call.items > 0 || !this.links.several) return false;
    const tried = new Set(call.tried).add(link);
    const { ownTimeout, deadline } = call.request;
    if (!this.links.hasOther(tried) || attempt >= limits.MAX_ATTEMPTS || (ownTimeout && deadline <= now)) return false;
    if (status === OVERLOADED && !this.budget.spend()) {
      this.counters.overBudget += 1;
      return false;
    }
    this.counters.moved += 1;
    link.sent.delete(call.id);
    link.windows.delete(call.id);
    call.attempts = attempt;
    call.tried = tried;
    this.waitAgain(call, now);
    return true;
  }

  private waitAgain(call: Call, now: number): void {
    call.link = undefined;
    this.waiting.add(call);
    const { ownTimeout, deadline } = call.request;
    this.deadlines.move(call, ownTimeout ? deadline : now + limits.BROKER_WAIT);
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
    if (!link.draining) this.failed(link, now);
    link.forget();
    for (const call of [...link.sent.values()]) {
      const idempotent = (call.request.flags & wire.Flag.idempotent) !== 0;
      if (!idempotent || call.attempts >= limits.MAX_ATTEMPTS || call.items > 0) {
        this.fail(call, "broker_lost", `the broker went away while it held the call (${why}): it may have run`);
        continue;
      }
      call.lost = true;
      this.waitAgain(call, now);
    }
    link.sent.clear();
    this.endHopeless(now);
  }

  // It gets no calls for a while, where others can. Calls that fail together are one failure.
  private failed(link: Link, now: number): void {
    if (this.links.several && link.health.trusted) link.health.failed(now, this.random.jitter());
  }

  private endHopeless(now: number): void {
    if (this.waiting.size === 0) return;
    const end = this.links.hopeless(now);
    if (!end) return;
    for (const call of this.waiting) {
      if (!call.lost || end.word !== "unavailable") this.fail(call, end.word, end.why);
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
    const end = this.links.hopeless(now);
    if (end) return refuse(end.word, end.why);
    if (this.outstanding >= this.config.maxOutstanding) {
      return refuse("overloaded", `${this.outstanding} calls of this client are outstanding already`);
    }
    if (this.waiting.size > 0 && this.waiting.bytes + call.size > limits.MAX_WAITING_BYTES) {
      return refuse("overloaded", `${this.waiting.bytes} bytes of calls wait for a broker already`);
    }
    call.id = ++this.lastId;
    call.due = deadline;
    this.outstanding += 1;
    this.budget.earn();
    this.waiting.add(call);
    this.deadlines.add(call);
  }

  // Ends the call as `cancelled`, and tells the broker. One that has ended is left alone.
  cancel(call: Call, why = "the caller cancelled the call"): void {
    if (!this.isOutstanding(call)) return;
    call.link?.cancels.push(call.id);
    this.fail(call, "cancelled", why);
  }

  cancelAll(why: string): void {
    for (const link of this.links.all) for (const call of [...link.sent.values()]) this.cancel(call, why);
    for (const call of this.waiting) this.cancel(call, why);
  }

  // The reader of a stream takes so many items in all.
  widen(call: Call, window: number): void {
    if (this.isOutstanding(call)) call.link?.windows.set(call.id, window);
  }

  private isOutstanding(call: Call): boolean {
    return call.link ? call.link.sent.get(call.id) === call : this.waiting.has(call);
  }

  // --- time -----------------------------------------------------------------------------------------------

  tick(now: number): void {
    for (let call = this.deadlines.first(); call && call.due <= now; call = this.deadlines.first()) this.expire(call, now);
    for (const link of this.links.all) {
      if (link.greetsAgain() && link.helloAgainAt <= now) link.greet(now);
      if (link.isSuspect() && link.health.due <= now) link.pingPending = link.health.tick(now, this.random.jitter());
    }
  }

  nextDeadline(): number {
    let next = this.deadlines.first()?.due ?? Infinity;
    for (const link of this.links.all) {
      if (link.greetsAgain()) next = Math.min(next, link.helloAgainAt);
      if (link.isSuspect()) next = Math.min(next, link.health.due);
    }
    return next;
  }

  // The call's time is up, and nobody else has said so.
  private expire(call: Call, now: number): void {
    if (call.link) {
      this.failed(call.link, now);
      call.link.cancels.push(call.id);
      const why = "the broker said nothing: it is stopped or cut off; the call may have run";
      return this.fail(call, "deadline_exceeded", `the time was up, and ${why}`);
    }
    if (call.lost) {
      const why = "none came in time to send it to again: it may have run";
      return this.fail(call, "broker_lost", `the broker went away while it held the call, and ${why}`);
    }
    if (this.links.all.some((link) => link.state === "ready")) {
      return this.fail(call, "deadline_exceeded", "the time was up before the call could be sent");
    }
    this.fail(call, "unavailable", this.links.whyWaiting());
  }

  // --- what is to be sent -----------------------------------------------------------------------------------

  // The next message, if there is one: what waits now, bundled; never waits for more. Once given it counts as sent.
  nextMessage(now: number): Outgoing | undefined {
    for (const link of this.links.all) {
      const frame = link.busy ? undefined : link.nextControl(this.config);
      if (frame) return { link, frames: [frame] };
    }
    const first = this.waiting.first;
    const link = first && this.links.choose(now, first.tried);
    if (!link) return undefined;
    const frames = this.nextBundle(link, now);
    return frames && { link, frames };
  }

  private nextBundle(link: Link, now: number): Uint8Array[] | undefined {
    const bundle = new Bundle(link, this.links.share(this.waiting.size));
    const { max_body: maxBody, max_timeout_us: maxTimeoutUs } = link.broker!;
    for (const call of this.waiting) {
      const { ownTimeout, schema } = call.request;
      if (bundle.isFull()) break;
      if (call.due <= now) {
        this.expire(call, now);
        continue;
      }
      if (!bundle.isEmpty && call.tried?.has(link)) break;
      if (schema && !link.declared.has(schema.hash)) {
        if (!bundle.isEmpty) break;
        // Before the first call that was built against it. Where the broker would not take it calls are not compared.
        link.declared.add(schema.hash);
        const declaration = link.ask("samovar.declare", 0, schema.tail);
        if (declaration) return [declaration];
      }
      if (!bundle.hasRoomFor(call)) break;
      if (!bundle.canTake(call)) {
        const takes = `the broker at ${link.endpoint} takes ${maxBody} in a message`;
        this.fail(call, "too_large", `the call has ${call.size} bytes, ${takes}`);
        continue;
      }
      this.waiting.remove(call);
      call.attempts += 1;
      if (call.attempts > 1) this.counters.sentAgain += 1;
      call.link = link;
      call.sentAt = now;
      link.sent.set(call.id, call);
      bundle.add(call, now);
      // Without a timeout of its own: beyond any deadline that the broker may have set.
      const longest = ownTimeout ? 0 : Math.min(maxTimeoutUs / 1000, limits.MAX_TIMEOUT);
      this.deadlines.move(call, call.due + longest + limits.DEADLINE_GRACE);
    }
    if (bundle.isEmpty) return undefined;
    return bundle.frames(this.config.clock ? Math.floor(now * 1000) : 0);
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
      this.waiting.remove(call);
    }
    this.deadlines.remove(call);
    this.outstanding -= 1;
    this.completions.push({ call, outcome });
  }

  private fail(call: Call, code: Code, message: string): void {
    this.complete(call, localOutcome(code, message, call.attempts, call.link?.endpoint));
  }
}
