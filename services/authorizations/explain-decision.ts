import type { Transaction } from '../database/transaction';
import { proveReceipt, type ReceiptPlace, type ReceiptVerdict } from '../receipts/prove-receipt';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { findPolicyVersion } from './replay.repository';
import { inputsOfReceipt } from './rules/amendment-receipt';
import { type Explanation, explain } from './rules/explain';
import { wordsForCardholder, wordsForSupport } from './rules/explain-in-words';
import { marketOfRecord, type Receipt } from './rules/receipt';
import { type Difference, replay } from './rules/replay';
import { UnknownRulesError } from './rules/rules-by-version';

/** Whether the decision comes out the same when it is taken again. Null: its rules or its market are not here. */
export interface TakenAgain {
  readonly same: boolean;
  readonly differences: readonly Difference[];
}

/** A decision taken apart, from its receipt. */
export interface ExplainedDecision {
  readonly receipt: Receipt;
  readonly explanation: Explanation;
  readonly cardholderText: string;
  readonly supportText: string;
  readonly takenAgain: TakenAgain | null;
  readonly verdict: ReceiptVerdict;
}

const NO_MARKET = '{"decimals":{},"prices":{}}';

/** A stored receipt, read, and where it stands. */
export interface PlacedReceipt {
  readonly receipt: Receipt;
  /** Its exact text. */
  readonly text: string;
  readonly place: ReceiptPlace;
}

export function verdictOf(trx: Transaction, { receipt, text, place }: PlacedReceipt): Promise<ReceiptVerdict> {
  return proveReceipt(trx, { text, marketHash: receipt.market }, place);
}

/**
 * Takes a decision apart. `not_supported` where the policy that it names is not there. `committedLate`: its commit came too late,
 * which the receipt itself does not say.
 */
export async function explainDecision(
  trx: Transaction,
  decided: PlacedReceipt & {
    readonly organizationId: string;
    readonly programId: string;
    readonly committedLate: boolean;
  },
): Promise<Result<ExplainedDecision, Refusal>> {
  const { receipt, organizationId, programId, committedLate } = decided;
  const policy = await findPolicyVersion(trx, { organizationId, programId, version: receipt.policy });
  if (policy === null)
    return err(refusal('not_supported', 'the receipt names a policy version that the program does not have'));
  const verdict = await verdictOf(trx, decided);
  const market = verdict.proof?.market ?? null;
  const inputs = inputsOfReceipt(receipt, marketOfRecord(market ?? NO_MARKET), policy);
  const explanation = explain(receipt, inputs, committedLate);
  return ok({
    receipt,
    explanation,
    cardholderText: wordsForCardholder(explanation),
    supportText: wordsForSupport(explanation),
    takenAgain: market === null ? null : takeAgain(() => replay(receipt, market, policy).differences),
    verdict,
  });
}

function takeAgain(differencesOf: () => readonly Difference[]): TakenAgain | null {
  try {
    const differences = differencesOf();
    return { same: differences.length === 0, differences };
  } catch (error) {
    if (error instanceof UnknownRulesError) return null;
    throw error;
  }
}
