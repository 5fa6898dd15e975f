// All links of a client: where the next call goes, and why it goes nowhere.
import { better } from "./health.js";
import { LEAST_SHARE } from "./limits.js";
import { Link } from "./link.js";
import type { Hopeless } from "./link.js";
import type { Random } from "./random.js";

export class Links {
  // What calls are told that find no broker until their time is up.
  whyNone = "";
  private list: Link[] = [];

  constructor(
    private readonly random: Random,
    private readonly nonceSeed: number,
  ) {}

  get all(): readonly Link[] {
    return this.list;
  }

  // There may be several to one endpoint.
  add(endpoint: string): Link {
    const link = new Link(endpoint, this.nonceSeed);
    this.list.push(link);
    return link;
  }

  // Of one that is over.
  remove(link: Link): void {
    this.list = this.list.filter((each) => each !== link);
  }

  // Whether a call has a choice, now or later.
  get several(): boolean {
    return this.list.length > 1 && this.staying().length > 1;
  }

  // The one that gets the next call: of those that are trusted, or else of those that are not; one that refused it already is
  // the last resort. The better one of two that are chosen by chance comes close to the one that holds the fewest, and sends the
  // lone calls of many clients, none of which holds any, to all brokers alike.
  choose(now: number, tried: ReadonlySet<Link> | undefined): Link | undefined {
    const takers = this.list.filter((link) => link.takesCalls());
    if (takers.length < 2) return takers[0];
    const fresh = tried ? takers.filter((link) => !tried.has(link)) : takers;
    const trusted = fresh.filter((link) => link.health.trusted);
    const from = [trusted, fresh, takers].find((each) => each.length > 0)!;
    if (from.length === 1) return from[0];
    const first = this.random.below(from.length);
    const one = from[first]!;
    const other = from[(first + 1 + this.random.below(from.length - 1)) % from.length]!;
    const [latency, otherLatency] = [one.health.latency(now), other.health.latency(now)];
    return better(other.sent.size, otherLatency, one.sent.size, latency) ? other : one;
  }

  // How many of so many calls that wait go to one broker at once, so that the others get theirs.
  share(waiting: number): number {
    const takers = this.list.filter((link) => link.takesCalls()).length;
    return takers < 2 ? waiting : Math.max(Math.ceil(waiting / takers), LEAST_SHARE);
  }

  // Whether there is one that may take what these have refused.
  hasOther(tried: ReadonlySet<Link>): boolean {
    return this.list.some((link) => link.takesCalls() && !tried.has(link));
  }

  // Why no call can be sent for now, if so: what holds for all, of the first that merely goes away, or else of the first.
  hopeless(now: number): Hopeless | undefined {
    let found: Hopeless | undefined;
    for (const link of this.list) {
      if (link.retiring) continue;
      const why = link.hopeless(now);
      if (!why) return undefined;
      if (!found || (why.word === "unavailable" && found.word !== "unavailable")) found = why;
    }
    return found;
  }

  // There is no broker. What is said of one that takes connections says more than what is said of others.
  whyWaiting(): string {
    const links = this.staying();
    const mute = links.find((link) => link.state !== "disconnected");
    if (mute) {
      const what = mute.lastMalformed ? `cannot be understood: ${mute.lastMalformed}` : "does not answer";
      return `the broker at ${mute.endpoint} takes connections, but ${what}`;
    }
    if (links.length === 0) return `no broker is known: ${this.whyNone}`;
    const where = links.map((link) => link.endpoint).join(" or ");
    const hint = links.some((link) => link.handshakeFailed) ? "something else listens there" : "is samovard running there?";
    return `no broker answers at ${where}: ${hint}`;
  }

  private staying(): Link[] {
    return this.list.filter((link) => !link.retiring);
  }
}
