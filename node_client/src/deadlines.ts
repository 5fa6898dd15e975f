// Which call is due first: a binary heap in which each call knows its place, so that it can leave or move at any time.

export interface Timed {
  due: number;
  place: number; // in the heap; kept by it
}

export class Deadlines<T extends Timed> {
  private readonly heap: T[] = [];

  first(): T | undefined {
    return this.heap[0];
  }

  add(call: T): void {
    this.rise(call, this.heap.length);
  }

  remove(call: T): void {
    const last = this.heap.pop()!;
    if (last !== call) this.settle(last, call.place);
  }

  move(call: T, due: number): void {
    call.due = due;
    this.settle(call, call.place);
  }

  private settle(call: T, place: number): void {
    const parent = this.heap[(place - 1) >> 1];
    place > 0 && parent!.due > call.due ? this.rise(call, place) : this.sink(call, place);
  }

  private rise(call: T, place: number): void {
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = this.heap[above]!;
      if (parent.due <= call.due) break;
      this.put(parent, place);
      place = above;
    }
    this.put(call, place);
  }

  private sink(call: T, place: number): void {
    for (;;) {
      let below = 2 * place + 1;
      if (below >= this.heap.length) break;
      if (below + 1 < this.heap.length && this.heap[below + 1]!.due < this.heap[below]!.due) below += 1;
      if (this.heap[below]!.due >= call.due) break;
      this.put(this.heap[below]!, place);
      place = below;
    }
    this.put(call, place);
  }

  private put(call: T, place: number): void {
    this.heap[place] = call;
    call.place = place;
  }
}
