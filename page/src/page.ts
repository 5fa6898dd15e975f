// The live page: asks samovard for what is new once a second, and shows it.
import { get, hasToken, type Live, Refused, type Sample, useToken } from "./api";
import { CallForm } from "./call";
import { Charts } from "./charts";
import { byId, setText } from "./dom";
import { Figures } from "./figures";
import { time } from "./format";
import { Incidents } from "./incidents";

const kKept = 600; // samples, as in http/history.hpp
const kShortest = 60; // seconds that a chart shows, however short the past is

const figures = new Figures();
const incidents = new Incidents();
const charts = new Charts(byId("charts"));
const form = new CallForm();

let samples: Sample[] = [];
let number = 0; // of the last sample
let brokerId = "";
let lostSince = 0; // since when samovard has not answered; 0: it does
let last: Live | null = null;

// What the page says of itself. It is read out, so that it is changed only when something has.
function say(state: "live" | "stale" | "waiting", short: string, long = ""): void {
  const element = byId("state");
  element.dataset.state = state;
  document.body.dataset.state = state;
  setText(element, short);
  const problem = byId("problem");
  problem.hidden = !long;
  setText(problem, long);
  document.title = state === "live" ? "Samovar" : `${short} – Samovar`;
}

function tellState(live: Live): void {
  const { problem } = live;
  if (!problem) return say("live", "Live");
  if (problem.code === "unauthorized") {
    return say("stale", "No access", `The key of the HTTP side may not see this (${problem.detail}).`);
  }
  const known = live.known_at ? ` What is shown is as of ${time(live.known_at)}.` : "";
  const what = `The broker has not answered since ${time(problem.since)} (${problem.code}: ${problem.detail}).`;
  say("stale", "The broker does not answer", what + known);
}

function draw(): void {
  const span = Number(byId("spans").querySelector<HTMLInputElement>("input:checked")!.value);
  const to = samples.length > 0 ? samples[samples.length - 1].at : Date.now() / 1_000;
  const begin = samples.length > 0 ? samples[0].at : to;
  charts.update(samples, Math.max(to - span, Math.min(begin, to - kShortest)), to);
}

// False when it is to be asked for again from the start: it is another samovard than before.
function take(live: Live): boolean {
  const id = live.status?.broker.id ?? brokerId;
  if (live.number < number || (brokerId && id !== brokerId)) {
    samples = [];
    number = 0;
    brokerId = "";
    incidents.forget();
    return false;
  }
  brokerId = id;
  number = live.number;
  last = live;
  samples = [...samples, ...live.samples].slice(-kKept);
  tellState(live);
  figures.show(live);
  if (live.status) form.offer(live.status.services);
  draw();
  return true;
}

function refused(error: Refused): void {
  if (error.status !== 401) return say("stale", "No access", error.message);
  say("waiting", "A token is needed");
  const tokenForm = byId("token-form");
  const isNew = tokenForm.hidden;
  tokenForm.hidden = false;
  if (isNew) byId("token").focus();
  setText(byId("token-wrong"), hasToken() ? "That is not the token." : "");
}

// Returns after how many milliseconds to look again.
async function look(): Promise<number> {
  try {
    const live = await get<Live>(`/v1/live?after=${number}`);
    byId("token-form").hidden = true;
    lostSince = 0;
    if (!take(live)) return 0;
    if (live.status && !live.problem) await incidents.follow(live.status);
    return Math.min(live.next_ms + 40, 1_000); // a little after the next sample
  } catch (error) {
    if (error instanceof Refused) {
      refused(error);
      return error.status === 401 ? -1 : 1_000;
    }
    lostSince ||= Date.now() / 1_000;
    const known = last?.known_at ? ` What is shown is as of ${time(last.known_at)}.` : "";
    say("stale", "samovard cannot be reached", `samovard has not answered since ${time(lostSince)}.${known}`);
    return 1_000;
  }
}

async function follow(): Promise<void> {
  for (let wait = 0; wait >= 0; ) {
    wait = await look();
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

byId("spans").addEventListener("change", draw);
byId("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = byId<HTMLInputElement>("token");
  useToken(field.value.trim());
  field.value = "";
  void follow();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  charts.redraw();
  draw();
});
void follow();
