// Which links there are: one to each broker that is known. A link that is older than `maxAge` is made anew, so that behind an
// address which stands for many brokers those that came later get their share; the old one goes when the new one is ready and
// its last call has ended.
import { MAX_LINKS } from "./limits.js";
import type { Link } from "./link.js";
import type { Links } from "./links.js";
import type { Random } from "./random.js";

interface Place {
  link: Link;
  close(): void;
  renewAt: number; // Infinity: it has not been ready yet
  successor: Link | undefined; // being made
}

export class Connections {
  private places: Place[] = [];

  // `open` makes the connection of a link and gives what closes it; throws TypeError where that cannot be. A `maxAge` of 0:
  // links do not age.
  constructor(
    private readonly links: Links,
    private readonly open: (link: Link) => () => void,
    private readonly maxAge: number,
    private readonly random: Random,
  ) {}

  // These brokers and no others, of which MAX_LINKS get a link. Throws what `open` throws.
  want(endpoints: readonly string[]): void {
    for (const { link } of this.places) if (!endpoints.includes(link.endpoint)) link.retiring = true;
    for (const endpoint of endpoints) {
      const isThere = this.places.some(({ link }) => !link.retiring && link.endpoint === endpoint);
      if (!isThere && this.places.length < MAX_LINKS) this.add(endpoint);
    }
  }

  // After Session.tick().
  tick(now: number): void {
    if (this.maxAge > 0) for (const place of this.places) if (!place.link.retiring) this.renew(place, now);
    if (!this.places.some(({ link }) => link.isOver())) return;
    const isOver = ({ link }: Place): boolean => link.isOver();
    for (const place of this.places.filter(isOver)) {
      place.close();
      this.links.remove(place.link);
    }
    this.places = this.places.filter((place) => !isOver(place));
  }

  nextDeadline(): number {
    if (this.places.length >= MAX_LINKS) return Infinity; // there is no room for one that follows
    const waiting = this.places.filter(({ link, successor }) => !link.retiring && !successor);
    return Math.min(...waiting.map(({ renewAt }) => renewAt));
  }

  closeAll(): void {
    for (const place of this.places) place.close();
  }

  private add(endpoint: string): Link {
    const link = this.links.add(endpoint);
    try {
      this.places.push({ link, close: this.open(link), renewAt: Infinity, successor: undefined });
    } catch (error) {
      this.links.remove(link);
      throw error;
    }
    return link;
  }

  private renew(place: Place, now: number): void {
    if (place.successor) {
      if (place.successor.state === "ready") place.link.retiring = true;
      return;
    }
    if (place.link.state !== "ready") return;
    // Between three quarters of the age and five: clients that connected together part.
    if (place.renewAt === Infinity) place.renewAt = now + this.maxAge * (0.25 + this.random.jitter());
    if (place.renewAt <= now && this.places.length < MAX_LINKS) place.successor = this.add(place.link.endpoint);
  }
}
