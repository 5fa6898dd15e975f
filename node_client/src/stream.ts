// A streamed result, from a Python generator: its items, for one reader.
//
//   for await (const line of client.stream<string>("logs.tail", ["web"])) process.stdout.write(line);
//
// The handler runs ahead of its reader by a window of items and then waits. Leaving the loop cancels what has not come to
// its end.

// What a stream asks of its client.
export interface StreamOwner {
  widen(window: number): void; // takes so many items in all
  cancel(): void;
}

export class Stream<T> implements AsyncIterableIterator<T> {
  // Of the item that next() gave last.
  attachments: readonly Uint8Array[] = [];
  private readonly items: { value: T; attachments: readonly Uint8Array[] }[] = [];
  private end: { error: Error | undefined } | undefined;
  private readers: { resolve(result: IteratorResult<T, undefined>): void; reject(error: Error): void }[] = [];
  private taken = 0;
  private granted: number;

  // From Client.stream().
  constructor(
    private readonly owner: StreamOwner,
    private readonly window: number,
  ) {
    this.granted = window;
  }

  // The next item. Rejects with SamovarError when the stream has failed, after the items that came before.
  next(): Promise<IteratorResult<T, undefined>> {
    return new Promise((resolve, reject) => {
      this.readers.push({ resolve, reject });
      this.serve();
    });
  }

  // Ends the stream: next() gives what has come already, and then rejects as `cancelled`. The handler is told to stop.
  cancel(): void {
    this.owner.cancel();
  }

  // What a loop calls that is left early.
  return(): Promise<IteratorResult<T, undefined>> {
    this.owner.cancel();
    this.items.length = 0;
    this.end = { error: undefined };
    this.serve();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  // --- for the client ---

  push(value: T, attachments: readonly Uint8Array[]): void {
    this.items.push({ value, attachments });
    this.serve();
  }

  finish(error?: Error): void {
    this.end ??= { error };
    this.serve();
  }

  private serve(): void {
    while (this.readers.length > 0 && (this.items.length > 0 || this.end)) {
      const reader = this.readers.shift()!;
      const item = this.items.shift();
      if (item) {
        this.attachments = item.attachments;
        this.count();
        reader.resolve({ value: item.value, done: false });
      } else if (this.end?.error) {
        reader.reject(this.end.error);
      } else {
        reader.resolve({ value: undefined, done: true });
      }
    }
  }

  // Tells the handler at every half of a window, so that it need not wait for a reader that keeps pace.
  private count(): void {
    this.taken += 1;
    if (this.end || this.granted - this.taken > this.window / 2) return;
    this.granted = this.taken + this.window;
    this.owner.widen(this.granted);
  }
}
