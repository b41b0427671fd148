import type { SpentUntil } from '../programs/rules/program-usage';

/** An approval under a program's caps that is on its way into the database, or there. */
export interface CappedApproval {
  readonly programId: string;
  readonly amount: bigint;
  /** 0 for more of a purchase that was counted before. */
  readonly count: number;
}

interface Approved {
  readonly open: Set<CappedApproval>;
  /** What the open ones come to: every decision of a batch looks at it. */
  openAmount: bigint;
  openCount: number;
  /** Committed, by the time until which they were; oldest first. */
  committed: (SpentUntil & { readonly from: number })[];
  /** When the last sum began that was asked about. */
  summedAt: number;
}

/** What is committed within so many milliseconds is one entry: thousands a second are a few entries. */
const TOGETHER_MS = 50;
/** Entries of one program. Where nobody sums for long, what lies next to each other becomes one. */
const ENTRIES_MAX = 64;
/** What a sum has is kept for as long as an older one may still take its place: workers sum beside each other, some slower than others. */
const KEPT_BEHIND_MS = 30_000;

/**
 * What this process has approved under the caps of programs since their usage was summed, so that a process sees at once what it
 * let through itself, in the same batch too. What was committed before a sum began is in the sum. What may or may not be is counted
 * until the next one: for half a second too much, rather than too little.
 */
export class ApprovedUnderCaps {
  private readonly programs = new Map<string, Approved>();

  /** An approval was decided. It counts until {@link ended} says that nothing came of it, or a later sum has it. */
  begun(approval: CappedApproval): CappedApproval {
    const known = this.programs.get(approval.programId) ?? {
      open: new Set(),
      openAmount: 0n,
      openCount: 0,
      committed: [],
      summedAt: 0,
    };
    this.programs.set(approval.programId, known);
    known.open.add(approval);
    known.openAmount += approval.amount;
    known.openCount += approval.count;
    return approval;
  }

  /** It was committed by this time (milliseconds since 1970); null: it was not, and nothing is held. Says it once: what is told later changes nothing. */
  ended(approval: CappedApproval, committedAt: number | null): void {
    const known = this.programs.get(approval.programId);
    if (!known?.open.delete(approval)) return;
    const { amount, count } = approval;
    known.openAmount -= amount;
    known.openCount -= count;
    if (committedAt === null) return;
    const last = known.committed.at(-1);
    if (last && committedAt - last.from < TOGETHER_MS) {
      known.committed[known.committed.length - 1] = together(last, {
        from: last.from,
        until: committedAt,
        amount,
        count,
      });
      return;
    }
    known.committed.push({ from: committedAt, until: committedAt, amount, count });
    if (known.committed.length <= ENTRIES_MAX) return;
    // Never what the last sum has with what it has not.
    const at = known.committed.findIndex((entry) => entry.until >= known.summedAt) === 1 ? 1 : 0;
    const [first, second] = known.committed.slice(at, at + 2);
    if (first && second) known.committed.splice(at, 2, together(first, second));
  }

  /** What a sum that began at `summedAt` may not have in it. Much older ones are forgotten. */
  since(programId: string, summedAt: number, now: Date): readonly SpentUntil[] {
    const known = this.programs.get(programId);
    if (known === undefined) return [];
    const { open, openAmount: amount, openCount: count } = known;
    known.summedAt = summedAt;
    if ((known.committed[0]?.until ?? summedAt) < summedAt - KEPT_BEHIND_MS) {
      known.committed = known.committed.filter(({ until }) => until >= summedAt - KEPT_BEHIND_MS);
    }
    if (open.size === 0 && known.committed.length === 0) this.programs.delete(programId);
    const since: SpentUntil[] = known.committed.filter(({ until }) => until >= summedAt);
    if (open.size > 0) since.push({ amount, count, until: now.getTime() });
    return since;
  }
}

function together(one: Approved['committed'][number], other: Approved['committed'][number]) {
  return {
    from: one.from,
    until: Math.max(one.until, other.until),
    amount: one.amount + other.amount,
    count: one.count + other.count,
  };
}
