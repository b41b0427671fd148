import type { Knex } from 'knex';
import { countersNow, countersToStored, type WindowCount } from '../cards/rules/limit-counters';
import { WINDOW_KINDS, type WindowKind, windowStarts } from '../cards/rules/limit-windows';
import type { Clock } from '../shared/clock';
import { type CappedProgram, findCappedPrograms, type Spent, saveUsage, sumSpent } from './program-usage.repository';
import type { ProgramLimits } from './rules/program-policy';

export interface SumProgramUsageDeps {
  /** Pool of the role `worker`: it looks at all organizations at once. */
  readonly workerKnex: Knex;
  readonly clock: Clock;
}

/** What was counted more recently than this is read anew each time: later it is committed, and most that is taken back has been. */
const SETTLED_AFTER_MS = 30_000;
/** What is taken back of what was counted earlier is seen when everything is read anew: not more often than this, */
const ANEW_AFTER_MS = 60_000;
/** nor for more than this part of the time. */
const ANEW_SHARE = 100;

/**
 * What was counted of a program before the last seconds, so that each sum reads those only: whatever comes on top of an older purchase
 * is counted when it does, so that it can only have become less.
 */
interface Settled {
  /** The windows' starts and kinds that it was summed for. */
  readonly key: string;
  readonly before: Date;
  readonly spent: readonly Spent[];
  readonly anewAt: number;
}

export interface ProgramUsageSummer {
  /** Sums the usage of every program that has caps; a program without costs nothing. Returns how many there were. */
  run(): Promise<number>;
}

/**
 * Sums what the accounts of a program spend together, for caps that no authorization could afford to count itself: a row that
 * each of them updates would let one through at a time.
 */
export function createProgramUsageSummer(deps: SumProgramUsageDeps): ProgramUsageSummer {
  const known = new Map<string, Settled>();

  async function settle(
    program: { organizationId: string; programId: string },
    settled: Settled | undefined,
    key: string,
    since: readonly Date[],
    now: Date,
  ): Promise<Settled> {
    const before = new Date(now.getTime() - SETTLED_AFTER_MS);
    if (settled?.key === key && settled.anewAt > now.getTime()) {
      if (settled.before >= before) return settled;
      const more = await sumSpent(deps.workerKnex, program, { from: settled.before, until: before }, since);
      return { ...settled, before, spent: added(settled.spent, more) };
    }
    const earliest = new Date(Math.min(before.getTime(), ...since.map((start) => start.getTime())));
    const began = performance.now();
    const spent = await sumSpent(deps.workerKnex, program, { from: earliest, until: before }, since);
    const took = performance.now() - began;
    return { key, before, spent, anewAt: now.getTime() + Math.max(ANEW_AFTER_MS, ANEW_SHARE * took) };
  }

  async function sum({ organization_id: organizationId, id: programId, caps }: CappedProgram): Promise<void> {
    const program = { organizationId, programId };
    const now = deps.clock.now();
    const kinds = WINDOW_KINDS.filter((kind) => isCapped(caps, kind));
    const starts = windowStarts(now, caps.time_zone);
    const since = kinds.map((kind) => starts[kind]);
    const key = kinds.map((kind) => `${kind}:${starts[kind].getTime()}`).join(' ');
    const settled = await settle(program, known.get(programId), key, since, now);
    known.set(programId, settled);
    const recent = await sumSpent(deps.workerKnex, program, { from: settled.before, until: null }, since);
    const windows = { ...countersNow(null, now, caps.time_zone) } as Record<WindowKind, WindowCount>;
    for (const [index, { amount, count }] of added(settled.spent, recent).entries()) {
      const kind = kinds[index];
      if (kind !== undefined) windows[kind] = { ...windows[kind], amount, count };
    }
    const stored = countersToStored({ ...windows, recent: [], lock: null, odometer: null });
    await saveUsage(deps.workerKnex, program, { ...stored, at: now.getTime() }, now);
  }

  return {
    async run() {
      const programs = await findCappedPrograms(deps.workerKnex);
      const failures: unknown[] = [];
      for (const program of programs) {
        try {
          await sum(program);
        } catch (error) {
          failures.push(error);
        }
      }
      const ids = new Set(programs.map(({ id }) => id));
      for (const id of known.keys()) if (!ids.has(id)) known.delete(id);
      if (failures.length > 0) throw failures[0];
      return programs.length;
    },
  };
}

function isCapped(caps: ProgramLimits, kind: WindowKind): boolean {
  return caps[`${kind}_amount`] !== undefined || caps[`${kind}_count`] !== undefined;
}

function added(some: readonly Spent[], others: readonly Spent[]): readonly Spent[] {
  return some.map(({ amount, count }, index) => ({
    amount: amount + (others[index]?.amount ?? 0n),
    count: count + (others[index]?.count ?? 0),
  }));
}
