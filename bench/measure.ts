/** One measured series, in the shape that every bench prints with `--json`. */
export interface BenchRun {
  readonly name: string;
  readonly in_flight: number;
  readonly per_s: number;
  readonly p50_ms: number;
  readonly p95_ms: number;
  readonly p99_ms: number;
  /** What the machine does at the same concurrency with the least work that could serve, measured in the same run. */
  readonly floor_per_s: number;
  readonly ratio: number;
}

export interface Series {
  readonly perSecond: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly calls: number;
}

/** Keeps `inFlight` calls going for `seconds` after a warm-up of a fifth of that, and times each. */
export async function closedLoop(inFlight: number, seconds: number, call: () => Promise<void>): Promise<Series> {
  const warmUpUntil = performance.now() + seconds * 200;
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      while (performance.now() < warmUpUntil) await call();
    }),
  );
  const times: number[] = [];
  const startedAt = performance.now();
  const until = startedAt + seconds * 1000;
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      for (let began = performance.now(); began < until; began = performance.now()) {
        await call();
        times.push(performance.now() - began);
      }
    }),
  );
  return summary(times, (performance.now() - startedAt) / 1000);
}

/**
 * Starts calls at a steady rate, whether or not earlier ones have been answered, and times each from the moment it was due:
 * a slow answer does not hide those that had to wait behind it.
 */
export async function openLoop(perSecond: number, seconds: number, call: () => Promise<void>): Promise<Series> {
  const total = Math.floor(perSecond * seconds);
  const times: number[] = [];
  const running: Promise<void>[] = [];
  const startedAt = performance.now();
  for (let started = 0; started < total; ) {
    const due = Math.min(total, Math.floor(((performance.now() - startedAt) / 1000) * perSecond) + 1);
    for (; started < due; started += 1) {
      const dueAt = startedAt + (started / perSecond) * 1000;
      running.push(call().then(() => void times.push(performance.now() - dueAt)));
    }
    // A timer, not a busy loop: what is measured needs the core.
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(running);
  return summary(times, (performance.now() - startedAt) / 1000);
}

/** Percentiles of `times`, which were measured in `elapsed` seconds. */
export function summary(times: number[], elapsed: number): Series {
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
  return { perSecond: times.length / elapsed, p50: at(0.5), p95: at(0.95), p99: at(0.99), calls: times.length };
}

export function toRun(name: string, inFlight: number, series: Series, floor: Series): BenchRun {
  const round = (value: number, digits: number) => Number(value.toFixed(digits));
  return {
    name,
    in_flight: inFlight,
    per_s: round(series.perSecond, 0),
    p50_ms: round(series.p50, 2),
    p95_ms: round(series.p95, 2),
    p99_ms: round(series.p99, 2),
    floor_per_s: round(floor.perSecond, 0),
    ratio: round(series.perSecond / floor.perSecond, 2),
  };
}

/** Prints a table for people, or one JSON object with `--json`. */
export function report(
  bench: string,
  runs: readonly BenchRun[],
  json: boolean,
  more: Readonly<Record<string, unknown>> = {},
): void {
  if (json) {
    process.stdout.write(`${JSON.stringify({ bench, runs, ...more })}\n`);
    return;
  }
  process.stdout.write(
    `\n${bench}\n  ${'name'.padEnd(14)}${['in flight', '/s', 'p50 ms', 'p95 ms', 'p99 ms', 'floor /s', 'ratio'].map((head) => head.padStart(11)).join('')}\n`,
  );
  for (const run of runs) {
    const cells = [run.in_flight, run.per_s, run.p50_ms, run.p95_ms, run.p99_ms, run.floor_per_s, run.ratio];
    process.stdout.write(`  ${run.name.padEnd(14)}${cells.map((cell) => String(cell).padStart(11)).join('')}\n`);
  }
  for (const [key, value] of Object.entries(more)) process.stdout.write(`  ${key}: ${JSON.stringify(value)}\n`);
}
