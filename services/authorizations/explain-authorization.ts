import type { Transaction } from '../database/transaction';
import { proveReceipt, type ReceiptVerdict } from '../receipts/prove-receipt';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { type AuthorizationRow, findAuthorization, receiptOf } from './authorization.repository';
import { findPolicyVersion } from './replay.repository';
import { type Explanation, explain } from './rules/explain';
import { wordsForCardholder, wordsForSupport } from './rules/explain-in-words';
import { decisionInputsOf, marketOfRecord, type Receipt } from './rules/receipt';
import { type Difference, replay } from './rules/replay';
import { UnknownRulesError } from './rules/rules-by-version';

/** Whether the decision comes out the same when it is taken again. Null: its rules or its market are not here. */
export interface TakenAgain {
  readonly same: boolean;
  readonly differences: readonly Difference[];
}

export interface ExplainedAuthorization {
  readonly authorization: AuthorizationRow;
  readonly receipt: Receipt;
  readonly explanation: Explanation;
  readonly cardholderText: string;
  readonly supportText: string;
  readonly takenAgain: TakenAgain | null;
  readonly verdict: ReceiptVerdict;
}

export interface AuthorizationReceipt {
  readonly authorization: AuthorizationRow;
  readonly receipt: Receipt;
  readonly verdict: ReceiptVerdict;
}

interface Key {
  readonly organizationId: string;
  readonly authorizationId: string;
}

const NO_MARKET = '{"decimals":{},"prices":{}}';

/** The raw receipt of an authorization's first decision with all it takes to verify it elsewhere, or `not_found`. */
export async function showAuthorizationReceipt(
  trx: Transaction,
  key: Key,
): Promise<Result<AuthorizationReceipt, Refusal>> {
  const found = await findWithReceipt(trx, key);
  if (!found.ok) return found;
  const { authorization, receipt } = found.value;
  return ok({ authorization, receipt, verdict: await verdictOf(trx, authorization, receipt) });
}

/**
 * Why an authorization was answered as it was: the first decision, from its receipt. What came later (increments, advices,
 * clearings) shows in the authorization and its events. `not_found`, or `not_supported` where the receipt is of the form from
 * before decisions could be explained.
 */
export async function explainAuthorization(
  trx: Transaction,
  key: Key,
): Promise<Result<ExplainedAuthorization, Refusal>> {
  const found = await findWithReceipt(trx, key);
  if (!found.ok) return found;
  const { authorization, receipt } = found.value;
  const policy = await findPolicyVersion(trx, {
    organizationId: key.organizationId,
    programId: authorization.program_id,
    version: receipt.policy,
  });
  if (policy === null)
    return err(refusal('not_supported', 'the receipt names a policy version that the program does not have'));
  const verdict = await verdictOf(trx, authorization, receipt);
  const market = verdict.proof?.market ?? null;
  const inputs = decisionInputsOf(receipt, marketOfRecord(market ?? NO_MARKET), policy);
  const committedLate = authorization.decline_reason === 'late' && receipt.outcome.result !== 'declined';
  const explanation = explain(receipt, inputs, committedLate);
  return ok({
    authorization,
    receipt,
    explanation,
    cardholderText: wordsForCardholder(explanation),
    supportText: wordsForSupport(explanation),
    takenAgain: market === null ? null : takeAgain(() => replay(receipt, market, policy).differences),
    verdict,
  });
}

async function findWithReceipt(
  trx: Transaction,
  { organizationId, authorizationId }: Key,
): Promise<Result<{ readonly authorization: AuthorizationRow; readonly receipt: Receipt }, Refusal>> {
  const authorization = await findAuthorization(trx, organizationId, authorizationId);
  if (authorization === null) return err(refusal('not_found', 'there is no authorization with this id'));
  const receipt = receiptOf(authorization);
  if (receipt === null) {
    return err(
      refusal('not_supported', 'this authorization is from before decisions were kept so that they can be explained'),
    );
  }
  return ok({ authorization, receipt });
}

function verdictOf(trx: Transaction, authorization: AuthorizationRow, receipt: Receipt): Promise<ReceiptVerdict> {
  return proveReceipt(
    trx,
    { text: authorization.receipt, marketHash: receipt.market },
    { batchId: authorization.batch_id, ordinal: authorization.batch_ordinal },
  );
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
