import type { Transaction } from '../database/transaction';
import type { ReceiptVerdict } from '../receipts/prove-receipt';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { type AuthorizationRow, findAuthorization, receiptOf } from './authorization.repository';
import { type ExplainedDecision, explainDecision, type PlacedReceipt, verdictOf } from './explain-decision';
import type { Receipt } from './rules/receipt';

export interface ExplainedAuthorization extends ExplainedDecision {
  readonly authorization: AuthorizationRow;
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

/** The raw receipt of an authorization's first decision with all it takes to verify it elsewhere, or `not_found`. */
export async function showAuthorizationReceipt(
  trx: Transaction,
  key: Key,
): Promise<Result<AuthorizationReceipt, Refusal>> {
  const found = await findWithReceipt(trx, key);
  if (!found.ok) return found;
  const { authorization, placed } = found.value;
  return ok({ authorization, receipt: placed.receipt, verdict: await verdictOf(trx, placed) });
}

/**
 * Why an authorization was answered as it was: the first decision, from its receipt. What came later (increments, advices) has
 * receipts of its own; clearings show in the authorization and its events. `not_found`, or `not_supported` where the receipt is of the
 * form from before decisions could be explained.
 */
export async function explainAuthorization(
  trx: Transaction,
  key: Key,
): Promise<Result<ExplainedAuthorization, Refusal>> {
  const found = await findWithReceipt(trx, key);
  if (!found.ok) return found;
  const { authorization, placed } = found.value;
  const explained = await explainDecision(trx, {
    ...placed,
    organizationId: key.organizationId,
    programId: authorization.program_id,
    committedLate: authorization.decline_reason === 'late' && placed.receipt.outcome.result !== 'declined',
  });
  return explained.ok ? ok({ ...explained.value, authorization }) : explained;
}

async function findWithReceipt(
  trx: Transaction,
  { organizationId, authorizationId }: Key,
): Promise<Result<{ readonly authorization: AuthorizationRow; readonly placed: PlacedReceipt }, Refusal>> {
  const authorization = await findAuthorization(trx, organizationId, authorizationId);
  if (authorization === null) return err(refusal('not_found', 'there is no authorization with this id'));
  const receipt = receiptOf(authorization);
  if (receipt === null) {
    return err(
      refusal('not_supported', 'this authorization is from before decisions were kept so that they can be explained'),
    );
  }
  const place = { batchId: authorization.batch_id, ordinal: authorization.batch_ordinal };
  return ok({ authorization, placed: { receipt, text: authorization.receipt, place } });
}
