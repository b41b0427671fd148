import {
  type Decision,
  decideAsOf202611v2,
  decideAsOf202611v3,
  decideAsOf202611v4,
  decideAuthorization,
  RULES_VERSION,
  type SpendRequest,
} from './decide-authorization';
import type { SpendSnapshot } from './spend-snapshot';

/** One version of the rules. */
export type Decide = (snapshot: SpendSnapshot, request: SpendRequest, now: Date) => Decision;

/**
 * The rules that receipts name. When answers change, the version in `decide-authorization.ts` does too, and the rules as
 * they were stay here under their own version for as long as there are receipts that name it.
 */
const RULES_BY_VERSION: Readonly<Record<string, Decide>> = {
  [RULES_VERSION]: decideAuthorization,
  // What changed since is what an increment is decided on: its receipts say whether a fixed fee is still to be held.
  '2026-11-5': decideAuthorization,
  '2026-11-4': decideAsOf202611v4,
  '2026-11-3': decideAsOf202611v3,
  '2026-11-2': decideAsOf202611v2,
};

/** Rules by which what came on top of a purchase was let in with its first message. */
const LET_IN_ONCE: ReadonlySet<string> = new Set(['2026-11-4', '2026-11-3', '2026-11-2', '2026-11-1']);

/** Whether the rules of a version have controls look at what comes on top of a purchase. */
export function judgeIncrements(version: string): boolean {
  return !LET_IN_ONCE.has(version);
}

/** A receipt names rules that this build does not have. */
export class UnknownRulesError extends Error {
  override readonly name = 'UnknownRulesError';

  constructor(readonly version: string) {
    super(
      `no rules of version ${version} here, only ${Object.keys(RULES_BY_VERSION).join(', ')}: use a build that has them`,
    );
  }
}

/** The rules of a version. Throws {@link UnknownRulesError}. */
export function rulesOf(version: string): Decide {
  const decide = Object.hasOwn(RULES_BY_VERSION, version) ? RULES_BY_VERSION[version] : undefined;
  if (decide === undefined) throw new UnknownRulesError(version);
  return decide;
}
