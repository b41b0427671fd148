import type { Transaction } from '../database/transaction';
import { partnerDecisionDocument } from '../partner-decisions/rules/partner-verdict';
import type { AuthorizationRow } from './authorization.repository';
import { findAuthorizations } from './authorization.repository';
import { authorizationEvent } from './rules/authorization-event';
import type { Receipt } from './rules/receipt';

/** What the first event of an authorization says: the row as its commit wrote it, whatever has become of it since. */
function firstEventOf(row: AuthorizationRow): Readonly<Record<string, unknown>> {
  const { outcome, request } = JSON.parse(row.receipt) as Receipt;
  const declined = row.decline_reason !== null;
  const standing = authorizationEvent({
    id: row.id,
    accountId: row.account_id,
    cardId: row.card_id,
    state: declined ? 'declined' : outcome.legs === undefined ? 'cleared' : 'pending',
    declineReason: row.decline_reason,
    requestedAmount: row.requested_amount,
    approvedAmount: declined ? 0n : BigInt(outcome.approved),
    holdAmount: declined ? 0n : BigInt(outcome.hold),
    clearedAmount: 0n,
    reversedAmount: 0n,
    refundedAmount: 0n,
    merchant: row.merchant,
    channel: row.channel,
    expiresAt: declined || outcome.expires === undefined ? null : new Date(outcome.expires),
  });
  return request.partner === undefined
    ? standing
    : { ...standing, partner_decision: partnerDecisionDocument(request.partner) };
}

/** The objects of the first events of authorizations, by id: they have no row of their own. */
export async function firstEvents(
  trx: Transaction,
  organizationId: string,
  authorizationIds: readonly string[],
): Promise<ReadonlyMap<string, Readonly<Record<string, unknown>>>> {
  const rows = await findAuthorizations(trx, organizationId, authorizationIds);
  return new Map(rows.map((row) => [row.id, firstEventOf(row)]));
}
