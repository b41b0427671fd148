import { newId } from '../database/new-id';
import type { Transaction } from '../database/transaction';
import type { AuthorizationRequestKind } from '../providers/processor/port';
import { sealAlone } from '../receipts/seal-alone';
import type { ReceiptSealer } from '../receipts/seal-receipts';
import { sha256Hex } from '../receipts/sha256';
import { insertAmendment } from './amendment.repository';
import type { AuthorizationRow } from './authorization.repository';
import type { AmendedPurchase } from './rules/amendment';
import { type AmendmentFacts, amendmentReceiptText } from './rules/amendment-receipt';
import type { Decision, SpendRequest } from './rules/decide-authorization';
import { marketRecord } from './rules/receipt';
import type { SpendSnapshot } from './rules/spend-snapshot';
import { UNHEARD_GRACE_MS } from './rules/unheard-answers';

/** The message that is answered, or that told of something. */
export interface AmendingMessage {
  readonly kind: AuthorizationRequestKind;
  readonly messageId: string;
  readonly contentHash: string;
  readonly occurredAt: Date;
  /** Null: nobody waits for an answer. */
  readonly respondBy: Date | null;
  readonly amountBasis: 'total' | 'delta';
}

export interface RecordAmendmentInput {
  readonly authorization: AuthorizationRow;
  readonly cardId: string;
  readonly message: AmendingMessage;
  /** How the purchase stood before. */
  readonly purchase: AmendedPurchase;
  /** The account's, as it was read. */
  readonly snapshot: SpendSnapshot;
  readonly request: SpendRequest;
  readonly decision: Decision;
  readonly facts: AmendmentFacts;
  /** Cents approved on top, and the legs that hold them. */
  readonly granted: bigint;
  /** The purchase had ended, and counts as one more to limits; what was granted on one that had, when left out. */
  readonly openedAgain?: boolean;
  readonly legIds: readonly string[];
  readonly now: Date;
}

/**
 * Puts an answer on a known purchase on record, with its sealed receipt, whatever came of it. Where it holds something and an answer is waited
 * for, the processor is to be asked about it until the answer is known to have been handed over. Returns its id.
 */
export async function recordAmendment(
  trx: Transaction,
  sealer: ReceiptSealer,
  input: RecordAmendmentInput,
): Promise<string> {
  const { authorization, cardId, message, purchase, snapshot, request, decision, facts, granted, legIds } = input;
  const id = newId();
  const market = marketRecord(snapshot);
  const receipt = amendmentReceiptText(
    { amendmentId: id, authorizationId: authorization.id, contentHash: message.contentHash },
    purchase,
    { snapshot, request, decision, facts, now: input.now, marketHash: sha256Hex(market) },
  );
  const { respondBy } = message;
  const awaited = granted > 0n && respondBy !== null && message.kind !== 'advice';
  await insertAmendment(trx, {
    organization_id: authorization.organization_id,
    id,
    authorization_id: authorization.id,
    account_id: authorization.account_id,
    card_id: cardId,
    vendor: authorization.vendor,
    message_id: message.messageId,
    content_hash: message.contentHash,
    processor_authorization_id: authorization.processor_authorization_id,
    kind: message.kind,
    outcome: decision.outcome,
    decline_reason: decision.reason,
    amount_basis: message.amountBasis,
    requested_amount: request.amount,
    total_before: purchase.total,
    granted,
    opened_again: input.openedAgain ?? (granted > 0n && !purchase.open),
    given_back: facts.total?.givenBack ?? null,
    leg_ids: legIds,
    occurred_at: message.occurredAt,
    respond_by: respondBy,
    answer_state: awaited ? 'awaited' : null,
    ask_at: awaited ? new Date(respondBy.getTime() + UNHEARD_GRACE_MS) : null,
    receipt,
    batch_id: await sealAlone(trx, sealer, receipt, market),
    created_at: input.now,
  });
  return id;
}
