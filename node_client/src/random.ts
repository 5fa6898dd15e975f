// Chance for a session: seeded, so that its tests repeat (mulberry32).
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed | 0;
  }

  // Evenly from [0, 1).
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let z = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    z = (z + Math.imul(z ^ (z >>> 7), 61 | z)) ^ z;
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  }

  // A whole number from [0, bound).
  below(bound: number): number {
    return Math.floor(this.next() * bound);
  }

  // Evenly from [0.5, 1): of a wait, so that those who failed together do not come back together.
  jitter(): number {
    return 0.5 + this.next() / 2;
  }
}
