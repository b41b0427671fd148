import type { ProgramPolicy } from '../../programs/rules/program-policy';
import { canonicalJson } from '../../receipts/rules/canonical-json';
import { amendmentOf } from './amendment';
import {
  type AmendmentMember,
  amendmentOfReceipt,
  inputsOfReceipt,
  timesOfReceipt,
  totalOfReceipt,
} from './amendment-receipt';
import { givenBackBy, latenessOf, NOTHING_MORE, PURCHASE_ENDED, TOO_LATE } from './answer-without-plan';
import type { Decision } from './decide-authorization';
import { type DecisionInputs, marketOfRecord, outcomeText, type Receipt } from './receipt';
import { rulesOf } from './rules-by-version';

/** One figure of an outcome that came out otherwise. Values are canonical JSON; undefined where there is none. */
export interface Difference {
  readonly field: string;
  readonly stored: string | undefined;
  readonly again: string | undefined;
}

export interface Replay {
  readonly inputs: DecisionInputs;
  /** The decision, taken again. */
  readonly decision: Decision;
  /** Empty: outcome, reason, amounts, legs and options are the same to the unit. */
  readonly differences: readonly Difference[];
}

/**
 * Takes a decision again from its receipt, by the rules that it names. `market` is the record of its batch, `policy` the
 * document of the version that it names. Throws {@link UnknownRulesError} when the rules are not here.
 */
export function replay(receipt: Receipt, market: string, policy: ProgramPolicy): Replay {
  const inputs = inputsOfReceipt(receipt, marketOfRecord(market), policy);
  const decide = rulesOf(receipt.rules);
  const amendment = amendmentOfReceipt(receipt);
  const decision =
    (amendment && answerWithoutPlan(amendment, inputs.now)) ?? decide(inputs.snapshot, inputs.request, inputs.now);
  const totals = amendment === null ? [] : totalDifferences(amendment);
  return { inputs, decision, differences: [...differencesOf(receipt.outcome, decision), ...totals] };
}

/** The answer on a known purchase that no plan was made for, given again; null where one is to be made. */
function answerWithoutPlan(amendment: AmendmentMember, now: Date): Decision | null {
  const times = timesOfReceipt(amendment);
  if (times !== null && latenessOf(times, now) !== null) return TOO_LATE;
  if (amendment.over === true) return PURCHASE_ENDED;
  const total = totalOfReceipt(amendment);
  return total !== null && givenBackBy(total) !== null ? NOTHING_MORE : null;
}

/** Where a told total gives back something else than it did, or the purchase came to something else before it. */
function totalDifferences(amendment: AmendmentMember): readonly Difference[] {
  const total = totalOfReceipt(amendment);
  if (total === null) return [];
  const pairs = [
    ['given_back', amendment.total?.given_back, givenBackBy(total)?.toString()],
    ['total before', amendment.approved, amendmentOf(total.standing, total.told, 'total').total.toString()],
  ] as const;
  return pairs.flatMap(([field, stored, again]) => (stored === again ? [] : [{ field, stored, again }]));
}

function differencesOf(stored: Receipt['outcome'], decision: Decision): readonly Difference[] {
  const text = outcomeText(decision);
  if (canonicalJson(stored) === text) return [];
  const again = JSON.parse(text) as Readonly<Record<string, unknown>>;
  const before = stored as unknown as Readonly<Record<string, unknown>>;
  const fields = [...new Set([...Object.keys(before), ...Object.keys(again)])].sort();
  return fields.flatMap((field) => {
    const difference = { field, stored: textOf(before[field]), again: textOf(again[field]) };
    return difference.stored === difference.again ? [] : [difference];
  });
}

function textOf(value: unknown): string | undefined {
  return value === undefined ? undefined : canonicalJson(value);
}
