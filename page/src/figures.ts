// The tables of what there is now.
import type { Flow, Live, Quarantined, Service, Status, Worker } from "./api";
import { byId, h, setAttribute, setText } from "./dom";
import { age, bytes, byName, duration, number, sum } from "./format";
import { type Cell, type Row, Table } from "./table";

const kNothing = "–";

const perSecond = (flow: Flow, count: number): string => (flow.seconds > 0 ? number(count / flow.seconds) : kNothing);

const kMarks: Record<string, string> = {
  ready: "good",
  serving: "good",
  loading: "busy",
  starting: "busy",
  greeted: "busy",
  draining: "busy",
  stopping: "busy",
  dying: "bad",
  failed: "bad",
  no_workers: "bad",
};

const state = (word: string): Cell => ({ text: word.replace("_", " "), mark: `state ${kMarks[word] ?? "plain"}` });
const alarming = (count: number, text = number(count)): Cell => ({ text, mark: count > 0 ? "alarm" : "" });

class Tiles {
  private readonly tiles = new Map<string, [HTMLElement, HTMLElement]>();

  constructor(private readonly list: HTMLElement) {}

  set(name: string, value: string, more: string, isAlarm = false): void {
    let tile = this.tiles.get(name);
    if (!tile) {
      tile = [h("dd", { class: "value" }), h("dd", { class: "quiet" })];
      this.tiles.set(name, tile);
      this.list.append(h("div", { "data-tile": name }, h("dt", {}, name), ...tile));
    }
    setText(tile[0], value);
    setText(tile[1], more);
    setAttribute(tile[0], "data-mark", isAlarm ? "alarm" : "");
  }

  show(status: Status): void {
    const { recent, services } = status;
    const window = `in the last ${age(recent.seconds)}`;
    const failed = sum(recent.failed);
    const total = (key: "queued" | "queued_bytes" | "in_flight" | "abandoned") =>
      services.reduce((all, service) => all + service[key], 0);
    const workers = services.flatMap((service) => service.workers);
    const ready = workers.filter((worker) => worker.state === "ready").length;
    const wanted = services.flatMap((service) => service.pools).reduce((all, pool) => all + pool.wanted, 0);
    const times = (pair: [number, number] | null): [string, string] =>
      pair ? [duration(pair[0]), `p99 ${duration(pair[1])}, ${window}`] : [kNothing, `nothing ${window}`];
    this.set("Calls a second", perSecond(recent, recent.ok), `ok, ${window}`);
    this.set("Failed a second", perSecond(recent, failed), window, failed > 0);
    this.set("Queued for", ...times(recent.queued_us));
    this.set("Ran for", ...times(recent.run_us));
    this.set("Queue", number(total("queued")), bytes(total("queued_bytes")));
    this.set("In flight", number(total("in_flight")), `${number(total("abandoned"))} abandoned`);
    this.set(
      "Workers ready",
      wanted > 0 ? `${ready} of ${Math.max(wanted, ready)}` : String(ready),
      `${status.clients} clients`,
      ready < wanted,
    );
  }
}

function serviceRow(service: Service): Row {
  const { recent } = service;
  const restarts = service.pools.reduce((all, pool) => all + pool.restarts, 0);
  const wanted = service.pools.reduce((all, pool) => all + pool.wanted, 0);
  const ready = service.workers.filter((worker) => worker.state === "ready").length;
  return {
    key: service.name,
    cells: [
      service.name,
      state(service.state),
      perSecond(recent, recent.ok),
      alarming(sum(recent.failed), perSecond(recent, sum(recent.failed))),
      number(service.queued),
      number(service.in_flight),
      alarming(service.abandoned),
      duration(recent.queued_us?.[1]),
      duration(recent.run_us?.[1]),
      wanted > 0 ? { text: `${ready} of ${wanted}`, mark: ready < wanted ? "alarm" : "" } : String(ready),
      number(restarts),
      (service.reason ?? "").split("\n")[0],
    ],
  };
}

function runs(worker: Worker): string {
  const running = worker.running ?? [];
  if (running.length === 0) return worker.in_flight > 0 ? `${worker.in_flight} requests` : "idle";
  const longest = Math.max(...running.map((each) => each.for_us));
  const names = [...new Set(running.map((each) => each.method))].join(", ");
  return `${names}${running.length > 1 ? ` (${running.length})` : ""}, ${duration(longest)}`;
}

// The broker's view of a worker, with what its pool says of the process; and processes that the broker does not see yet.
function workerRows(service: Service): Row[] {
  const processes = service.pools.flatMap((pool) => pool.detail?.workers ?? []);
  const rows = service.workers.map((worker) => {
    const process = processes.find((each) => each.pid === worker.pid);
    return {
      key: `${worker.name} ${worker.pid}`,
      cells: [
        worker.name,
        String(worker.pid),
        state(worker.state),
        runs(worker),
        `${number(worker.in_flight)} of ${number(worker.credit)}`,
        process?.private_kb ? bytes(process.private_kb * 1_000) : kNothing,
        String(worker.generation),
      ],
    };
  });
  const seen = new Set(service.workers.map((worker) => worker.pid));
  const others = processes.filter((process) => !seen.has(process.pid) && process.pid);
  return [
    ...rows,
    ...others.map((process) => ({
      key: `${service.name}/${process.name} ${process.pid}`,
      cells: [
        `${service.name}/${process.name}`,
        String(process.pid),
        state(process.state),
        kNothing,
        kNothing,
        process.private_kb ? bytes(process.private_kb * 1_000) : kNothing,
        kNothing,
      ],
    })),
  ];
}

function methodRows(service: Service): Row[] {
  const called = service.methods.filter((method) => (method.outcomes.ok ?? 0) + method.failed > 0);
  return called.map((method) => ({
    key: `${service.name}.${method.name}`,
    cells: [
      `${service.name}.${method.name}`,
      number(method.outcomes.ok ?? 0),
      alarming(method.failed),
      duration(method.queued?.[0]),
      duration(method.queued?.[1]),
      duration(method.run?.[0]),
      duration(method.run?.[1]),
      method.idempotent ? "yes" : "no",
    ],
  }));
}

const quarantineRow = (entry: Quarantined, at: number): Row => ({
  key: `${entry.method} ${entry.file} ${at}`,
  cells: [
    entry.method,
    bytes(entry.bytes),
    number(entry.deaths),
    age(entry.left_s),
    (entry.reason ?? "").split("\n")[0],
    entry.file ? `samovar replay ${entry.file}` : "(not saved)",
  ],
});

export class Figures {
  private readonly tiles = new Tiles(byId("tiles"));
  private readonly services = new Table(
    byId("services"),
    "Services: what they did in the last 10 seconds, and what they hold now",
    [
      { title: "Service" },
      { title: "State" },
      { title: "Calls/s", figure: true },
      { title: "Failed/s", figure: true },
      { title: "Queue", figure: true },
      { title: "In flight", figure: true },
      { title: "Abandoned", figure: true, wide: true },
      { title: "Queued, p99", figure: true },
      { title: "Ran, p99", figure: true },
      { title: "Workers", figure: true },
      { title: "Restarts", figure: true, wide: true },
      { title: "Reason", long: true },
    ],
    "No service has announced itself. samovar-worker starts one, or a [[service]] block.",
  );
  private readonly workers = new Table(
    byId("workers"),
    "Workers, and what each of them runs",
    [
      { title: "Worker" },
      { title: "PID" },
      { title: "State" },
      { title: "Runs, for", long: true },
      { title: "Holds", figure: true },
      { title: "Private memory", figure: true, wide: true },
      { title: "Generation", figure: true, wide: true },
    ],
    "There is no worker.",
  );
  private readonly methods = new Table(
    byId("methods"),
    "Methods that have been called, since samovard was started",
    [
      { title: "Method" },
      { title: "ok", figure: true },
      { title: "Failed", figure: true },
      { title: "Queued, median", figure: true },
      { title: "p99", figure: true },
      { title: "Ran, median", figure: true },
      { title: "p99", figure: true },
      { title: "Idempotent", wide: true },
    ],
    "No method has been called yet.",
  );
  private readonly quarantine = new Table(
    byId("quarantine"),
    "Requests that are refused since workers died of such ones",
    [
      { title: "Method" },
      { title: "Size", figure: true },
      { title: "Deaths", figure: true },
      { title: "Left", figure: true },
      { title: "The last", long: true },
      { title: "To run it", long: true },
    ],
    "Nothing is refused.",
  );
  private readonly outcomes = new Table(
    byId("outcomes"),
    "How calls ended, since samovard was started",
    [{ title: "Outcome" }, { title: "Calls", figure: true }],
    "No call has ended yet.",
  );

  show(live: Live): void {
    const { status } = live;
    if (!status) return;
    const { broker } = status;
    setText(byId("broker"), `${broker.software}, ${broker.state}, up ${age(broker.uptime_s)}, pid ${broker.pid}`);
    this.tiles.show(status);
    const services = [...status.services].sort((left, right) => byName(left.name, right.name));
    this.services.show(services.map(serviceRow));
    this.workers.show(services.flatMap(workerRows).sort((left, right) => byName(left.key, right.key)));
    this.methods.show(services.flatMap(methodRows));
    this.quarantine.show(status.quarantine.map(quarantineRow));
    const outcomes = Object.entries(status.outcomes).filter(([, count]) => count > 0);
    this.outcomes.show(outcomes.map(([code, count]) => ({ key: code, cells: [code, number(count)] })));
  }
}
