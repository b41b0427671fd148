import { countersToStored } from '../cards/rules/limit-counters';
import { newId } from '../database/new-id';
import { ledgerAccountId } from '../ledger/account-id';
import { fundsOf, positionOf } from '../ledger/account-refs';
import { sourceOfLeg } from '../ledger/templates/place-authorization-hold';
import type { AuthorizationReply, AuthorizationRequest } from '../providers/processor/port';
import type { CommitItem, CommitLeg } from './authorization-commit.repository';
import type { Decision } from './rules/decide-authorization';
import type { SpendSnapshot } from './rules/spend-snapshot';

/** A decision with the rows that its commit writes. */
export interface AuthorizationDraft {
  readonly reply: AuthorizationReply;
  readonly item: CommitItem;
  readonly legs: readonly CommitLeg[];
}

export interface DraftInput {
  /** Place in the batch. */
  readonly ordinal: number;
  readonly request: AuthorizationRequest;
  readonly snapshot: SpendSnapshot;
  readonly cardId: string;
  readonly programVersion: bigint;
  readonly endedBefore: boolean;
  readonly decision: Decision;
  readonly authorizationId: string;
  readonly now: Date;
}

/** Ids of ledger accounts follow from their names, by owner and asset; hashing the few that come again and again is saved. */
const ledgerIds = new Map<string, Map<string, string>>();
const OWNERS_KEPT_MAX = 100_000;

function fundsAndPositionId(owner: string, asset: string, make: () => string): string {
  let ofOwner = ledgerIds.get(owner);
  if (ofOwner === undefined) {
    if (ledgerIds.size >= OWNERS_KEPT_MAX) ledgerIds.clear();
    ofOwner = new Map();
    ledgerIds.set(owner, ofOwner);
  }
  let id = ofOwner.get(asset);
  if (id === undefined) {
    id = make();
    ofOwner.set(asset, id);
  }
  return id;
}

/** The ledger account that holds an asset's position within an organization. */
export function positionAccountId(organizationId: string, asset: string): string {
  return fundsAndPositionId(organizationId, asset, () => ledgerAccountId(organizationId, positionOf(asset)));
}

/** The rows of one decided request. */
export function draftAuthorization(input: DraftInput): AuthorizationDraft {
  const { ordinal, request, snapshot, decision, authorizationId, now } = input;
  const { organizationId, accountId } = snapshot;
  const holds = decision.legs.length > 0;
  const legs: CommitLeg[] = [];
  let loanHold = 0n;
  for (const [index, leg] of decision.legs.entries()) {
    const legId = newId();
    const isLoan = leg.kind === 'loan_draw';
    // A loan leg has an account of its own, never seen before.
    const loan = isLoan ? sourceOfLeg(accountId, { legId, kind: leg.kind, asset: leg.asset }) : null;
    if (isLoan) loanHold += leg.amount;
    legs.push({
      ordinal,
      leg_id: legId,
      leg_ordinal: index,
      kind: leg.kind,
      asset: leg.asset,
      amount: leg.amount,
      amount_usd: leg.amountUsd,
      price_usd_e8: leg.priceUsdE8,
      transfer_id: newId(),
      label: isLoan ? 'hold-loan' : 'hold-funds',
      debit_account_id: loan
        ? ledgerAccountId(organizationId, loan)
        : fundsAndPositionId(accountId, leg.asset, () =>
            ledgerAccountId(organizationId, fundsOf(accountId, leg.asset)),
          ),
      debit_key: loan?.key ?? null,
      credit_account_id: positionAccountId(organizationId, leg.asset),
    });
  }
  const { counters } = decision;
  return {
    reply: {
      outcome: decision.outcome,
      approvedAmount: decision.approvedAmount,
      declineReason: decision.reason,
      balance: decision.balance,
      authorizationId,
    },
    legs,
    item: {
      ordinal,
      organization_id: organizationId,
      account_id: accountId,
      expected_version: snapshot.accountVersion,
      program_version: input.programVersion,
      respond_by: request.respondBy,
      vendor: request.vendor,
      message_id: request.messageId,
      content_hash: request.contentHash,
      kind: request.kind,
      processor_authorization_id: request.processorAuthorizationId,
      ended_before: input.endedBefore,
      authorization_id: authorizationId,
      card_id: input.cardId,
      program_id: snapshot.programId,
      state: decision.outcome === 'declined' ? 'declined' : holds ? 'pending' : 'cleared',
      decline_reason: decision.reason,
      currency: request.currency,
      requested_amount: request.amount,
      approved_amount: decision.approvedAmount,
      hold_amount: decision.holdAmount,
      fee_amount: decision.feeAmount,
      cash_amount: request.cashAmount,
      balance: decision.balance,
      merchant_amount: request.merchantAmount,
      merchant_currency: request.merchantCurrency,
      merchant: JSON.stringify(request.merchant),
      channel: request.channel,
      avs: request.avs,
      cvc: request.cvc,
      occurred_at: request.occurredAt,
      expires_at: decision.expiresAt,
      loan_hold: loanHold,
      holds,
      decided_at: now,
      account_windows: counters && JSON.stringify(countersToStored(counters.account)),
      card_windows: counters?.card ? JSON.stringify(countersToStored(counters.card)) : null,
    },
  };
}
