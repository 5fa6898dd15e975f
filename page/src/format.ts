// Figures for people.

export function number(value: number): string {
  if (value >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString("en");
  return value.toLocaleString("en", { maximumFractionDigits: value >= 10 ? 1 : 2 });
}

export function duration(us: number | null | undefined): string {
  if (us === null || us === undefined) return "–";
  if (us < 1_000) return `${number(Math.round(us))} µs`;
  if (us < 1_000_000) return `${number(us / 1_000)} ms`;
  if (us < 120_000_000) return `${number(us / 1_000_000)} s`;
  return age(us / 1_000_000);
}

export function age(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`;
  return `${Math.floor(seconds / 86_400)} days`;
}

const kTime = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const kDay = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

// With the day where it is not today's.
export function time(at: number): string {
  const date = new Date(at * 1_000);
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday ? kTime.format(date) : `${kDay.format(date)}, ${kTime.format(date)}`;
}

export function bytes(count: number): string {
  if (count < 1_000) return `${count} B`;
  if (count < 1_000_000) return `${number(count / 1_000)} kB`;
  return `${number(count / 1_000_000)} MB`;
}

export const sum = (counts: Record<string, number>): number =>
  Object.values(counts).reduce((left, right) => left + right, 0);

// worker-2 before worker-10
export const byName = new Intl.Collator("en", { numeric: true }).compare;
