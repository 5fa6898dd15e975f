// Three charts over time, each with a sentence and a table that say the same.
import uPlot from "uplot";
import type { Sample } from "./api";
import { h, setText } from "./dom";
import { duration, number, sum, time } from "./format";
import { Table } from "./table";

interface Series {
  label: string;
  color: string; // a custom property of page.css
  dash?: number[];
  fill?: boolean;
  value: (sample: Sample) => number | null;
}

const rate = (sample: Sample, count: number | undefined): number | null =>
  sample.seconds ? (count ?? 0) / sample.seconds : null;

const isKnown = (sample: Sample): boolean => sample.seconds !== undefined;

const kFailedColors = ["--bad", "--series-4", "--series-5", "--series-6"];

const property = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// The scale of values: from 0 up, or of times from microseconds to seconds, by powers of ten.
interface Scale {
  show: (value: number) => string;
  isLog?: boolean;
}

const kDecades = [10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];

function rangeOf(scale: Scale, low: number | null, high: number | null): [number, number] {
  if (!scale.isLog) return [0, Math.max((high ?? 0) * 1.1, 1)];
  const bottom = kDecades.filter((decade) => decade <= (low ?? 100)).pop() ?? kDecades[0];
  const top = kDecades.find((decade) => decade >= (high ?? 0) && decade > bottom) ?? kDecades[kDecades.length - 1];
  return [bottom, top];
}

// Of a series the values without a neighbour, which no line shows.
function alone(plot: uPlot, series: number): number[] {
  const values = plot.data[series];
  return [...values.keys()].filter(
    (at) => values[at] != null && values[at - 1] == null && values[at + 1] == null,
  );
}

class Chart {
  private plot: uPlot | null = null;
  private series: Series[] = [];
  private readonly area = h("div", { class: "plot", role: "img" });
  private readonly words = h("p", { class: "words" });
  private readonly table: Table;
  private readonly details: HTMLDetailsElement;

  constructor(
    parent: HTMLElement,
    private readonly title: string,
    private readonly scale: Scale,
    private readonly seriesOf: (samples: Sample[]) => Series[],
    private readonly say: (samples: Sample[]) => string,
    columns: string[],
    private readonly row: (samples: Sample[]) => string[],
  ) {
    const tableArea = h("div");
    this.table = new Table(
      tableArea,
      `${title}, minute by minute`,
      [{ title: "Until" }, ...columns.map((column) => ({ title: column, figure: true }))],
      "Nothing has been recorded yet.",
    );
    this.details = h("details", {}, h("summary", {}, "As a table"), tableArea) as HTMLDetailsElement;
    const caption = h("figcaption", {}, h("h3", {}, title), this.words);
    parent.append(h("figure", { class: "card" }, caption, this.area, this.details));
    new ResizeObserver(() => this.plot?.setSize(this.size())).observe(this.area);
  }

  update(samples: Sample[], from: number, to: number): void {
    const series = this.seriesOf(samples);
    if (!this.plot || series.map((each) => each.label).join() !== this.series.map((each) => each.label).join()) {
      this.series = series;
      this.redraw();
    }
    const columns = this.series.map((each) => samples.map((sample) => (isKnown(sample) ? each.value(sample) : null)));
    this.plot?.setData([samples.map((sample) => sample.at), ...columns], false);
    this.plot?.setScale("x", { min: from, max: to });
    // Where nobody points, the legend has the last values.
    if (this.plot && (this.plot.cursor.left ?? -1) < 0) this.plot.setLegend({ idx: samples.length - 1 });
    const words = this.say(samples.filter(isKnown));
    setText(this.words, words);
    this.area.setAttribute("aria-label", `${this.title}: ${words}`);
    if (this.details.open) this.table.show(this.minutes(samples.filter(isKnown)));
  }

  // Also when the colours have changed.
  redraw(): void {
    this.plot?.destroy();
    const axis = { stroke: property("--quiet"), grid: { stroke: property("--line"), width: 1 }, ticks: { show: false } };
    this.plot = new uPlot(
      {
        ...this.size(),
        ms: 1e-3,
        tzDate: (at) => new Date(at * 1e3),
        cursor: { points: { size: 7 }, drag: { x: false, y: false } },
        scales: { y: { distr: this.scale.isLog ? 3 : 1, range: (_plot, low, high) => rangeOf(this.scale, low, high) } },
        axes: [
          { ...axis, space: 70, size: 34, values: "{HH}:{mm}:{ss}" },
          {
            ...axis,
            size: 62,
            values: (_plot, ticks) => ticks.map(this.scale.show),
            ...(this.scale.isLog
              ? {
                  splits: (_plot, _axis, low, high) => kDecades.filter((decade) => decade >= low && decade <= high),
                  filter: (_plot, ticks) => ticks,
                }
              : {}),
          },
        ],
        series: [
          { label: "Time", value: (_plot, at) => (at === null ? "–" : time(at)) },
          ...this.series.map((each) => ({
            label: each.label,
            stroke: property(each.color),
            width: 2,
            dash: each.dash,
            fill: each.fill ? `${property(each.color)}22` : undefined,
            points: { size: 5, fill: property(each.color), filter: alone },
            value: (_plot: uPlot, value: number | null) => (value === null ? "–" : this.scale.show(value)),
          })),
        ],
      } as uPlot.Options,
      [[], ...this.series.map(() => [])] as unknown as uPlot.AlignedData,
      this.area,
    );
  }

  private size(): { width: number; height: number } {
    return { width: Math.max(this.area.clientWidth, 200), height: 190 };
  }

  private minutes(samples: Sample[]) {
    const minutes = new Map<number, Sample[]>();
    for (const sample of samples) {
      const minute = Math.floor(sample.at / 60);
      minutes.set(minute, [...(minutes.get(minute) ?? []), sample]);
    }
    return [...minutes]
      .sort(([left], [right]) => right - left)
      .map(([minute, each]) => ({ key: String(minute), cells: [time(each[each.length - 1].at), ...this.row(each)] }));
  }
}

const calls = (samples: Sample[]): number => samples.reduce((all, sample) => all + (sample.ok ?? 0), 0);
const failures = (samples: Sample[]): number => samples.reduce((all, sample) => all + sum(sample.failed ?? {}), 0);
const most = (samples: Sample[], value: (sample: Sample) => number): number => Math.max(0, ...samples.map(value));
const p99 = (key: "queued_us" | "run_us") => (sample: Sample) => sample[key]?.[1] ?? 0;

// One series for each code that has been seen.
function outcomes(samples: Sample[]): Series[] {
  const codes = [...new Set(samples.flatMap((sample) => Object.keys(sample.failed ?? {})))].sort();
  return [
    { label: "ok", color: "--good", fill: true, value: (sample) => rate(sample, sample.ok) },
    ...codes.map((code, at) => ({
      label: code,
      color: kFailedColors[at % kFailedColors.length],
      dash: at < kFailedColors.length ? undefined : [4, 4],
      value: (sample: Sample) => rate(sample, sample.failed?.[code]),
    })),
  ];
}

const latencies = (): Series[] => [
  { label: "ran, p99", color: "--accent", value: (sample) => sample.run_us?.[1] ?? null },
  { label: "ran, median", color: "--accent", dash: [3, 4], value: (sample) => sample.run_us?.[0] ?? null },
  { label: "queued, p99", color: "--series-2", value: (sample) => sample.queued_us?.[1] ?? null },
  { label: "queued, median", color: "--series-2", dash: [3, 4], value: (sample) => sample.queued_us?.[0] ?? null },
];

const queues = (): Series[] => [
  { label: "queued", color: "--series-2", fill: true, value: (sample) => sample.queued ?? null },
  { label: "in flight", color: "--accent", value: (sample) => sample.in_flight ?? null },
];

export class Charts {
  private readonly charts: Chart[];

  constructor(parent: HTMLElement) {
    this.charts = [
      new Chart(
        parent,
        "Calls a second",
        { show: number },
        outcomes,
        (samples) =>
          `${number(calls(samples))} ok and ${number(failures(samples))} failed; at most ` +
          `${number(most(samples, (sample) => rate(sample, sample.ok) ?? 0))} ok a second.`,
        ["ok", "failed"],
        (samples) => [number(calls(samples)), number(failures(samples))],
      ),
      new Chart(
        parent,
        "Time that calls were queued and ran",
        { show: duration, isLog: true },
        latencies,
        (samples) =>
          `99 of 100 were queued for ${duration(most(samples, p99("queued_us")))} and ran for ` +
          `${duration(most(samples, p99("run_us")))} at most, in the worst second.`,
        ["queued, p99, at most", "ran, p99, at most"],
        (samples) => [duration(most(samples, p99("queued_us"))), duration(most(samples, p99("run_us")))],
      ),
      new Chart(
        parent,
        "Queue",
        { show: number },
        queues,
        (samples) => {
          const last = samples[samples.length - 1];
          const longest = number(most(samples, (sample) => sample.queued ?? 0));
          return `${number(last?.queued ?? 0)} queued and ${number(last?.in_flight ?? 0)} in flight; at most ${longest} queued.`;
        },
        ["queued, at most", "in flight, at most"],
        (samples) => [
          number(most(samples, (sample) => sample.queued ?? 0)),
          number(most(samples, (sample) => sample.in_flight ?? 0)),
        ],
      ),
    ];
  }

  update(samples: Sample[], from: number, to: number): void {
    const shown = samples.filter((sample) => sample.at >= from);
    for (const chart of this.charts) chart.update(shown, from, to);
  }

  redraw(): void {
    for (const chart of this.charts) chart.redraw();
  }
}
