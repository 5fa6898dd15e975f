// What samovard answers over HTTP.

export interface Flow {
  seconds: number;
  ok: number;
  failed: Record<string, number>;
  queued_us: [number, number] | null; // median, 99th percentile
  run_us: [number, number] | null;
}

export interface Sample extends Partial<Flow> {
  number: number;
  at: number;
  queued?: number;
  in_flight?: number;
}

export interface Running {
  method: string;
  for_us: number;
}

export interface Worker {
  name: string;
  pid: number;
  state: string;
  in_flight: number;
  credit: number;
  generation: number;
  running?: Running[];
}

export interface Method {
  name: string;
  idempotent: boolean;
  stream?: boolean;
  outcomes: Record<string, number>;
  failed: number;
  queued: [number, number] | null;
  run: [number, number] | null;
}

export interface PoolProcess {
  name: string;
  pid: number;
  state: string;
  private_kb?: number;
  requests?: number;
}

export interface Pool {
  supervisor: string;
  state: string;
  wanted: number;
  alive: number;
  restarts: number;
  reason: string;
  detail?: { workers?: PoolProcess[] } | null;
}

export interface Service {
  name: string;
  state: string;
  reason?: string | null;
  queued: number;
  queued_bytes: number;
  in_flight: number;
  abandoned: number;
  workers: Worker[];
  pools: Pool[];
  methods: Method[];
  recent: Flow;
}

export interface Quarantined {
  method: string;
  bytes: number;
  deaths: number;
  left_s: number;
  reason: string;
  file: string;
}

export interface Status {
  broker: { software: string; id: string; pid: number; state: string; uptime_s: number; connections: number };
  clients: number;
  services: Service[];
  outcomes: Record<string, number>;
  counters: Record<string, number>;
  quarantine: Quarantined[];
  recent: Flow;
}

export interface Problem {
  code: string;
  detail: string;
  since: number;
}

export interface Live {
  number: number;
  at: number;
  next_ms: number;
  problem: Problem | null;
  known_at: number | null;
  samples: Sample[];
  status: Status | null;
}

export interface Crash {
  when: number;
  service: string;
  worker: string;
  pid: number;
  reason: string;
  out_of_memory: boolean;
  stderr: string;
  stack: string;
  running: string[];
}

export interface RecentError {
  when: number;
  method: string;
  code: string;
  count: number;
  message: string;
}

// The token, where one is asked for: kept for this tab, sent to this origin only.
const kTokenKey = "samovar-token";
let token = sessionStorage.getItem(kTokenKey) ?? "";

export function useToken(text: string): void {
  token = text;
  sessionStorage.setItem(kTokenKey, text);
}

export const hasToken = (): boolean => token !== "";

export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export function ask(path: string, options: RequestInit = {}): Promise<Response> {
  const headers = new Headers(options.headers);
  if (token) headers.set("Authorization", `Bearer ${token}`);
  return fetch(path, { ...options, headers, cache: "no-store", credentials: "omit" });
}

export async function get<T>(path: string): Promise<T> {
  const response = await ask(path, { signal: AbortSignal.timeout(5_000) });
  if (!response.ok) {
    const problem = (await response.json().catch(() => ({}))) as { code?: string; detail?: string };
    throw new Refused(response.status, `${problem.code ?? response.status}: ${problem.detail ?? ""}`);
  }
  return (await response.json()) as T;
}
