// The form that calls a method.
import { ask, get, type Service } from "./api";
import { byId, h, setText } from "./dom";
import { byName, duration } from "./format";
import { Parameters, type ServiceSchema, WrongArgument } from "./parameters";

interface Problem {
  code?: string;
  detail?: string;
  exception?: string;
}

// Of server-sent events, as they come.
async function* eventsOf(response: Response): AsyncGenerator<{ event: string; data: string }> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop()!;
    for (const block of blocks) {
      const lines = block.split("\n");
      const field = (name: string) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? "";
      yield { event: field("event"), data: field("data") };
    }
  }
}

const kMostShown = 200_000; // characters of a stream
const kDrawEvery = 100; // milliseconds

export class CallForm {
  private readonly form = byId<HTMLFormElement>("call-form");
  private readonly method = byId<HTMLSelectElement>("method");
  private readonly text = byId<HTMLTextAreaElement>("arguments");
  private readonly timeout = byId<HTMLInputElement>("timeout");
  private readonly state = byId("call-state");
  private readonly result = byId("call-result");
  private readonly stop = byId<HTMLButtonElement>("stop-button");
  private readonly asJson = byId<HTMLInputElement>("as-json");
  private readonly fieldArea = byId("parameters");
  private readonly parameters = new Parameters(this.fieldArea);
  private hasFields = false;
  private streams = new Set<string>();
  private known = "";
  private running: AbortController | null = null;

  constructor() {
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.call();
    });
    this.method.addEventListener("change", () => void this.choose());
    this.asJson.addEventListener("change", () => this.arrange());
    this.stop.addEventListener("click", () => this.running?.abort());
  }

  // What may be chosen.
  offer(services: Service[]): void {
    const sorted = [...services].sort((left, right) => byName(left.name, right.name));
    const names = JSON.stringify(sorted.map((each) => [each.name, each.methods.map((one) => [one.name, one.stream])]));
    if (names === this.known) return;
    this.known = names;
    this.streams = new Set(
      sorted.flatMap((each) => each.methods.filter((one) => one.stream).map((one) => `${each.name}.${one.name}`)),
    );
    const chosen = this.method.value;
    this.method.replaceChildren(
      ...sorted
        .filter((each) => each.methods.length > 0)
        .map((each) =>
          h("optgroup", { label: each.name }, ...each.methods.map((one) => h("option", {}, `${each.name}.${one.name}`))),
        ),
    );
    if (chosen) this.method.value = chosen;
    void this.choose();
  }

  // Fields for the chosen method, if its schema is known.
  private async choose(): Promise<void> {
    const full = this.method.value;
    const dot = full.lastIndexOf(".");
    const service = encodeURIComponent(full.slice(0, dot));
    const schema = full ? await get<ServiceSchema | null>(`/v1/schema/${service}`).catch(() => null) : null;
    if (this.method.value !== full) return; // another one has been chosen since
    this.hasFields = this.parameters.show(schema, full.slice(dot + 1));
    this.arrange();
  }

  private arrange(): void {
    const byFields = this.hasFields && !this.asJson.checked;
    this.fieldArea.hidden = !byFields;
    byId("json-field").hidden = byFields;
    for (const control of this.fieldArea.querySelectorAll<HTMLInputElement>("input, select, textarea"))
      control.disabled = !byFields; // what is not seen is not required
  }

  private async call(): Promise<void> {
    let body: string;
    try {
      body = this.body();
    } catch (error) {
      return this.say((error as Error).message, true);
    }
    const method = this.method.value;
    const isStream = this.streams.has(method);
    const headers: Record<string, string> = { "Content-Type": "application/json" };
    if (this.timeout.value) headers["Samovar-Timeout"] = this.timeout.value;
    this.running?.abort();
    const own = new AbortController();
    this.running = own;
    this.stop.hidden = false;
    this.result.hidden = true;
    this.say(`${method} is under way …`);
    const began = performance.now();
    try {
      const path = `/v1/${isStream ? "stream" : "call"}/${encodeURIComponent(method)}`;
      const response = await ask(path, { method: "POST", headers, body, signal: own.signal });
      if (!response.ok) return this.fail(method, (await response.json()) as Problem);
      if (isStream) return await this.readStream(method, response);
      this.show(await response.text());
      const ran = Number(response.headers.get("Samovar-Run-Us"));
      const whole = duration((performance.now() - began) * 1_000);
      this.say(`ok: ${method} ran for ${duration(ran)} on ${response.headers.get("Samovar-Worker")}, ${whole} with the way`);
    } catch (error) {
      this.say(own.signal.aborted ? "stopped" : `no answer: ${String(error)}`, !own.signal.aborted);
    } finally {
      if (this.running === own) this.stop.hidden = true;
    }
  }

  // Throws WrongArgument.
  private body(): string {
    if (!this.method.value) throw new WrongArgument("There is no method to call.");
    if (!this.fieldArea.hidden) return this.parameters.body();
    const text = this.text.value || "[]";
    let parsed: unknown;
    try {
      parsed = JSON.parse(text);
    } catch (error) {
      throw new WrongArgument(`The arguments are no JSON: ${(error as Error).message}`);
    }
    if (typeof parsed !== "object" || parsed === null) {
      throw new WrongArgument("The arguments have to be a JSON array or object.");
    }
    return text;
  }

  private async readStream(method: string, response: Response): Promise<void> {
    let text = "";
    let items = 0;
    this.say(`${method} streams …`);
    const drawing = setInterval(() => this.show(text), kDrawEvery);
    try {
      for await (const { event, data } of eventsOf(response)) {
        if (event === "error") return this.fail(method, JSON.parse(data) as Problem);
        if (event === "end") return this.say(`ok: ${method} has ended after ${items} items`);
        items += 1;
        if (text.length < kMostShown) text += `${data}\n`;
      }
      this.say("the stream was cut off", true);
    } finally {
      clearInterval(drawing);
      this.show(text);
    }
  }

  private fail(method: string, problem: Problem): void {
    this.say(`${problem.code ?? "failed"}: ${problem.detail ?? method}`, true);
  }

  // As it came: a number of 64 bits would lose some if it were read here.
  private show(text: string): void {
    this.result.hidden = false;
    setText(this.result, text);
  }

  private say(text: string, isWrong = false): void {
    this.state.dataset.mark = isWrong ? "alarm" : "";
    setText(this.state, text);
  }
}
