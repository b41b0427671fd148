import type { Transaction } from '../database/transaction';
import type { ReceiptVerdict } from '../receipts/prove-receipt';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { type AmendmentRow, findAmendmentById } from './amendment.repository';
import { findAuthorization } from './authorization.repository';
import { type ExplainedDecision, explainDecision, type PlacedReceipt, verdictOf } from './explain-decision';
import { type Receipt, readReceipt } from './rules/receipt';

export type { AmendmentRow };

export interface ExplainedAmendment extends ExplainedDecision {
  readonly amendment: AmendmentRow;
}

export interface AmendmentReceipt {
  readonly amendment: AmendmentRow;
  /** Its exact text. */
  readonly text: string;
  readonly receipt: Receipt;
  readonly verdict: ReceiptVerdict;
}

interface Key {
  readonly organizationId: string;
  readonly authorizationId: string;
  readonly amendmentId: string;
}

/** The raw receipt of an answer on a known purchase, with all it takes to verify it elsewhere, or `not_found`. */
export async function showAmendmentReceipt(trx: Transaction, key: Key): Promise<Result<AmendmentReceipt, Refusal>> {
  const found = await findWithReceipt(trx, key);
  if (!found.ok) return found;
  const { amendment, placed } = found.value;
  return ok({ amendment, text: placed.text, receipt: placed.receipt, verdict: await verdictOf(trx, placed) });
}

/** Why a message on a known purchase was answered as it was, from its receipt. `not_found`, or `not_supported` where it left none. */
export async function explainAmendment(trx: Transaction, key: Key): Promise<Result<ExplainedAmendment, Refusal>> {
  const found = await findWithReceipt(trx, key);
  if (!found.ok) return found;
  const { amendment, placed, programId } = found.value;
  const { organizationId } = key;
  // An amendment is committed in time, or taken back as a whole and recorded as too late.
  const explained = await explainDecision(trx, { ...placed, organizationId, programId, committedLate: false });
  return explained.ok ? ok({ ...explained.value, amendment }) : explained;
}

async function findWithReceipt(
  trx: Transaction,
  { organizationId, authorizationId, amendmentId }: Key,
): Promise<
  Result<{ readonly amendment: AmendmentRow; readonly placed: PlacedReceipt; readonly programId: string }, Refusal>
> {
  const authorization = await findAuthorization(trx, organizationId, authorizationId);
  const amendment = await findAmendmentById(trx, organizationId, amendmentId);
  if (authorization === null || amendment?.authorization_id !== authorizationId) {
    return err(refusal('not_found', 'there is no amendment with this id of this authorization'));
  }
  const { receipt: text, batch_id: batchId } = amendment;
  const receipt = text === null ? null : readReceipt(text);
  if (text === null || receipt === null) {
    return err(
      refusal('not_supported', 'this amendment is from before its decision was kept so that it can be explained'),
    );
  }
  const place = { batchId, ordinal: batchId === null ? null : 0 };
  return ok({ amendment, placed: { receipt, text, place }, programId: authorization.program_id });
}
