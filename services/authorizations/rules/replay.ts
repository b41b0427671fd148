import type { ProgramPolicy } from '../../programs/rules/program-policy';
import { canonicalJson } from '../../receipts/rules/canonical-json';
import { inputsOfReceipt } from './amendment-receipt';
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
  const decision = rulesOf(receipt.rules)(inputs.snapshot, inputs.request, inputs.now);
  return { inputs, decision, differences: differencesOf(receipt.outcome, decision) };
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
