import type { Knex } from 'knex';
import { windowStarts } from '../cards/rules/limit-windows';
import { namedOn, type QueryNamed } from '../database/named-query';
import type { Clock } from '../shared/clock';
import { type CappedProgram, findCappedPrograms, findCaps, saveUsage, sumSpent } from './program-usage.repository';
import type { ProgramLimits } from './rules/program-policy';
import { cappedWindows, type Spent, type StoredProgramUsage, summedUsage } from './rules/program-usage';

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
  const query = namedOn(deps.workerKnex);

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
      const more = await sumSpent(query, program, { from: settled.before, until: before }, since);
      return { ...settled, before, spent: added(settled.spent, more) };
    }
    const earliest = new Date(Math.min(before.getTime(), ...since.map((start) => start.getTime())));
    const began = performance.now();
    const spent = await sumSpent(query, program, { from: earliest, until: before }, since);
    const took = performance.now() - began;
    return { key, before, spent, anewAt: now.getTime() + Math.max(ANEW_AFTER_MS, ANEW_SHARE * took) };
  }

  async function sum({ organization_id: organizationId, id: programId, caps }: CappedProgram): Promise<void> {
    const program = { organizationId, programId };
    const now = deps.clock.now();
    const kinds = cappedWindows(caps);
    const starts = windowStarts(now, caps.time_zone);
    const since = kinds.map((kind) => starts[kind]);
    const key = kinds.map((kind) => `${kind}:${starts[kind].getTime()}`).join(' ');
    const settled = await settle(program, known.get(programId), key, since, now);
    known.set(programId, settled);
    const recent = await sumSpent(query, program, { from: settled.before, until: null }, since);
    await saveUsage(query, program, summedUsage(caps, added(settled.spent, recent), now), {
      computedAt: now,
      unlessNewer: false,
    });
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

/**
 * Sums at once what one program has spent in the windows of its caps, and stores it: for the first authorization under caps that
 * nobody has summed for yet. It reads all of the windows, so that it is for a program that has just been capped. A policy without
 * caps leaves things as they are.
 */
export async function sumProgramUsage(
  deps: { readonly query: QueryNamed; readonly clock: Clock },
  program: { readonly organizationId: string; readonly programId: string },
): Promise<void> {
  const caps = await findCaps(deps.query, program);
  if (caps === null) return;
  const now = deps.clock.now();
  await saveUsage(deps.query, program, await usageUnder(deps.query, program, caps, now), {
    computedAt: now,
    unlessNewer: true,
  });
}

/** What a program has spent in the windows of its caps until now. Stores nothing. */
export async function usageUnder(
  query: QueryNamed,
  program: { readonly organizationId: string; readonly programId: string },
  caps: ProgramLimits,
  now: Date,
): Promise<StoredProgramUsage> {
  const starts = windowStarts(now, caps.time_zone);
  const since = cappedWindows(caps).map((kind) => starts[kind]);
  const from = new Date(Math.min(now.getTime(), ...since.map((start) => start.getTime())));
  return summedUsage(caps, since.length === 0 ? [] : await sumSpent(query, program, { from, until: null }, since), now);
}

function added(some: readonly Spent[], others: readonly Spent[]): readonly Spent[] {
  return some.map(({ amount, count }, index) => ({
    amount: amount + (others[index]?.amount ?? 0n),
    count: count + (others[index]?.count ?? 0),
  }));
}
