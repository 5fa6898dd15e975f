// Errors and crashes: asked for only when the figures say that there are new ones.
import { type Crash, get, type RecentError, type Status } from "./api";
import { byId, h } from "./dom";
import { number, sum, time } from "./format";
import { Table } from "./table";

function crashCard(crash: Crash): HTMLElement {
  const more: HTMLElement[] = [];
  if (crash.running.length > 0) more.push(h("p", {}, `It ran ${crash.running.join(", ")}.`));
  for (const [title, text] of [
    ["Python stack", crash.stack],
    ["Last lines of stderr", crash.stderr],
  ]) {
    if (text) more.push(h("h3", {}, title), h("pre", { tabindex: "0", "aria-label": title }, text));
  }
  if (more.length === 0) more.push(h("p", {}, "Nothing else is known of it."));
  const why = crash.out_of_memory ? `${crash.reason} (out of memory)` : crash.reason;
  const summary = h("summary", {}, h("time", {}, time(crash.when)), ` ${crash.worker}, pid ${crash.pid}: ${why}`);
  return h("details", { class: "crash", "data-pid": String(crash.pid) }, summary, ...more);
}

export class Incidents {
  private seenErrors = -1;
  private seenDeaths = -1;
  private readonly crashes = byId("crash-list");
  private readonly errors = new Table(
    byId("errors"),
    "The last errors that callers heard, those of one method and code together",
    [{ title: "Method" }, { title: "Code" }, { title: "Times", figure: true }, { title: "Last" }, { title: "What it said", long: true }],
    "No call has failed.",
  );

  async follow(status: Status): Promise<void> {
    const failed = sum(status.outcomes) - (status.outcomes.ok ?? 0);
    const deaths = status.counters.deaths ?? status.counters.workers_lost;
    const both: Promise<void>[] = [];
    if (failed !== this.seenErrors) both.push(this.loadErrors().then(() => void (this.seenErrors = failed)));
    if (deaths !== this.seenDeaths) both.push(this.loadCrashes().then(() => void (this.seenDeaths = deaths)));
    await Promise.all(both);
  }

  private async loadErrors(): Promise<void> {
    const errors = await get<RecentError[]>("/v1/errors");
    this.errors.show(
      errors.map((error) => ({
        key: `${error.method} ${error.code}`,
        cells: [error.method, { text: error.code, mark: "state bad" }, number(error.count), time(error.when), error.message],
      })),
    );
  }

  // Those that are open stay so.
  private async loadCrashes(): Promise<void> {
    const crashes = await get<Crash[]>("/v1/crashes");
    if (crashes.length === 0) return this.crashes.replaceChildren(h("p", { class: "quiet" }, "No worker has died."));
    const keyOf = (crash: Crash) => `${crash.when} ${crash.worker} ${crash.pid}`;
    const known = new Map([...this.crashes.children].map((element) => [(element as HTMLElement).dataset.key, element]));
    this.crashes.replaceChildren(
      ...crashes.map((crash) => {
        const element = known.get(keyOf(crash)) ?? crashCard(crash);
        (element as HTMLElement).dataset.key = keyOf(crash);
        return element;
      }),
    );
  }

  // Another samovard has other ones.
  forget(): void {
    this.seenErrors = this.seenDeaths = -1;
    this.errors.show([]);
    this.crashes.replaceChildren();
  }
}
