import type { Knex } from 'knex';
import { lockAccount } from '../accounts/account.repository';
import { newId } from '../database/new-id';
import { inOrganization, type Transaction } from '../database/transaction';
import { appendCommand } from '../outbox/append-command';
import { appendEvent } from '../outbox/append-event';
import type { AuthorizationReply, AuthorizationRequest } from '../providers/processor/port';
import { required } from '../shared/assert';
import type { Clock } from '../shared/clock';
import { insertAmendment } from './amendment.repository';
import { type AuthorizationRow, findAuthorization } from './authorization.repository';
import { findAnswer, insertAnsweredMessage } from './card-event.repository';
import { authorizationEventData } from './card-event-context';
import { extendHold } from './extend-hold';
import { advise } from './record-advice';
import { reversePart } from './reverse-part';
import { type Amendment, amendmentOf, snapshotForIncrement } from './rules/amendment';
import { isOpen } from './rules/authorization-state';
import { type Decision, decideAuthorization, type SpendRequest } from './rules/decide-authorization';
import type { DeclineReason } from './rules/decline-reason';
import { holdExpiry } from './rules/hold-amount';
import type { SpendSnapshot } from './rules/spend-snapshot';
import { UNHEARD_GRACE_MS } from './rules/unheard-answers';
import { loadSpendSnapshot, type StoredAnswer } from './spend-snapshot.repository';

export interface AmendAuthorizationDeps {
  /** Of the app's role. */
  readonly knex: Knex;
  readonly clock: Clock;
}

/** The purchase that a message names, as the authorizer found it. */
export interface KnownPurchase {
  readonly organizationId: string;
  readonly accountId: string;
  readonly cardId: string;
  readonly authorizationId: string;
}

interface AmendContext {
  readonly known: KnownPurchase;
  readonly request: AuthorizationRequest;
  readonly authorization: AuthorizationRow;
  readonly snapshot: SpendSnapshot;
  readonly amendment: Amendment;
  readonly now: Date;
}

/** What was asked: the answer to it is the answer, without what identifies it. */
type Answer = Pick<AuthorizationReply, 'outcome' | 'approvedAmount' | 'declineReason' | 'balance' | 'amendment'>;

/**
 * Answers a further message on a purchase that we know: more for it, a new total, or an advice that wants an answer. What is
 * asked on top is decided by the rules of every authorization, as one more part of the same purchase; a declined one leaves what
 * was approved before as it is. A repeated message gets its stored answer; past `respondBy` nothing is held, also when the
 * time ran out while it was written.
 */
export async function amendAuthorization(
  deps: AmendAuthorizationDeps,
  request: AuthorizationRequest,
  known: KnownPurchase,
): Promise<AuthorizationReply> {
  try {
    return await amend(deps, request, known);
  } catch (error) {
    if (!(error instanceof TooLateError)) throw error;
    // Taken back as a whole; the second time it is late from the start, and stored as that.
    return amend(deps, request, known);
  }
}

/** The time for the answer ran out between the decision and its commit. */
class TooLateError extends Error {}

async function amend(
  deps: AmendAuthorizationDeps,
  request: AuthorizationRequest,
  known: KnownPurchase,
): Promise<AuthorizationReply> {
  const { organizationId, accountId, authorizationId } = known;
  return inOrganization(deps.knex, organizationId, async (trx) => {
    required(await lockAccount(trx, organizationId, accountId), 'the account of a purchase');
    const stored = await findAnswer(trx, organizationId, request.vendor, request.messageId);
    if (stored !== undefined) {
      return stored.content_hash === request.contentHash
        ? { ...toAnswer(stored.answer), authorizationId }
        : { ...declined('duplicate_conflict'), authorizationId };
    }
    const authorization = required(await findAuthorization(trx, organizationId, authorizationId), 'the purchase');
    // A purchase is its account's: another account's card that names it changes nothing of either.
    if (authorization.account_id !== accountId) return { ...declined('duplicate_conflict'), authorizationId: null };
    const now = deps.clock.now();
    const { advised_at: advisedAt } = authorization;
    // A total that the network told since has this message in it, and nobody waits for the answer any more.
    const overtaken = advisedAt !== null && request.occurredAt < advisedAt;
    const answer =
      overtaken || now > request.respondBy
        ? declined('late')
        : await answerTo(trx, {
            known,
            request,
            authorization,
            snapshot: required(
              await loadSpendSnapshot(trx, organizationId, accountId, known.cardId),
              'the snapshot of an account',
            ),
            amendment: amendmentOf(
              {
                state: authorization.state,
                approved: authorization.approved_amount,
                cleared: authorization.cleared_amount,
                reversed: authorization.reversed_amount,
              },
              request.amount,
              request.amountBasis,
            ),
            now,
          });
    await insertAnsweredMessage(trx, organizationId, {
      request,
      kind: request.kind === 'authorization' ? 'incremental_authorization' : request.kind,
      accountId,
      authorizationId,
      answer: { ...toStored(answer), authorization_id: authorizationId },
    });
    if (answer.outcome !== 'declined') {
      await appendCommand(trx, {
        organizationId,
        workflowType: 'spendAuthorization',
        workflowId: `authorization:${authorizationId}`,
        signal: 'cardEvent',
        payload: { organizationId, authorizationId },
      });
    }
    if (answer.outcome !== 'declined' && deps.clock.now() > request.respondBy) throw new TooLateError();
    return { ...answer, authorizationId };
  });
}

async function answerTo(trx: Transaction, context: AmendContext): Promise<Answer> {
  const { request, amendment, authorization } = context;
  switch (request.kind) {
    case 'balance_inquiry':
    case 'refund_authorization': {
      const decision = decideAuthorization(
        context.snapshot,
        spendOf(request, request.kind, request.amount),
        context.now,
      );
      return answerOf(decision);
    }
    case 'advice':
      await advise(trx, {
        authorization,
        snapshot: context.snapshot,
        amendment,
        messageId: request.messageId,
        effectiveAt: request.occurredAt,
        now: context.now,
      });
      return approved(request.amount);
    case 'authorization':
    case 'incremental_authorization':
    case 'cash_withdrawal':
    case 'zero_amount_verification':
      return amendment.more < 0n ? lower(trx, context) : raise(trx, context);
  }
}

/** A new total below the old one asks for nothing: it gives back, like a reversal of the difference. */
async function lower(trx: Transaction, context: AmendContext): Promise<Answer> {
  const { authorization, request, amendment, snapshot, now } = context;
  await reversePart(trx, {
    authorization,
    timeZone: snapshot.timeZone,
    amount: -amendment.more,
    messageId: request.messageId,
    effectiveAt: request.occurredAt,
    now,
  });
  return approved(request.amount);
}

async function raise(trx: Transaction, context: AmendContext): Promise<Answer> {
  const { authorization, request, amendment, snapshot, now, known } = context;
  const open = isOpen(authorization.state);
  const view = open
    ? snapshotForIncrement(snapshot, { total: amendment.total, since: authorization.created_at })
    : { ...snapshot, begunAt: authorization.created_at };
  const kind = request.kind === 'cash_withdrawal' ? 'cash_withdrawal' : 'authorization';
  const decision = decideAuthorization(view, spendOf(request, kind, amendment.more), now);
  if (decision.outcome === 'declined') {
    await appendEvent(trx, {
      organizationId: known.organizationId,
      type: 'authorization.increment_declined',
      resourceKind: 'authorization',
      resourceId: authorization.id,
      data: {
        ...authorizationEventData(authorization, { state: authorization.state }),
        increment_decline_reason: decision.reason,
      },
    });
    return declined(decision.reason ?? 'internal_error');
  }
  const granted = decision.approvedAmount;
  const { outcome } = decision;
  const answer: Answer = {
    ...approved(request.amountBasis === 'total' ? amendment.total + granted : granted),
    outcome,
  };
  const nothingEnded = amendment.more === 0n && !open;
  if (!nothingEnded) {
    const change = await extendHold(trx, {
      authorization,
      amendment,
      granted,
      decision,
      cardId: known.cardId,
      messageId: request.messageId,
      effectiveAt: request.occurredAt,
      // Nothing more may be asked only to keep a hold that is there: it starts its days anew.
      expiresAt: decision.expiresAt ?? holdExpiry(now, authorization.merchant.mcc, snapshot.policy),
    });
    await appendEvent(trx, {
      organizationId: known.organizationId,
      type: 'authorization.incremented',
      resourceKind: 'authorization',
      resourceId: authorization.id,
      data: authorizationEventData(authorization, change),
    });
    if (granted > 0n) return { ...answer, amendment: await awaitHearing(trx, context, granted, change.legIds) };
  }
  return answer;
}

/** Until the answer is known to have been handed over, the processor is to be asked whether it counts what was approved. */
async function awaitHearing(
  trx: Transaction,
  { request, known }: AmendContext,
  granted: bigint,
  legIds: readonly string[],
): Promise<NonNullable<AuthorizationReply['amendment']>> {
  const { organizationId, authorizationId, accountId } = known;
  const id = newId();
  await insertAmendment(trx, {
    organization_id: organizationId,
    id,
    authorization_id: authorizationId,
    account_id: accountId,
    vendor: request.vendor,
    message_id: request.messageId,
    processor_authorization_id: request.processorAuthorizationId,
    granted,
    leg_ids: legIds,
    occurred_at: request.occurredAt,
    respond_by: request.respondBy,
    answer_state: 'awaited',
    ask_at: new Date(request.respondBy.getTime() + UNHEARD_GRACE_MS),
  });
  return { organizationId, id };
}

function spendOf(request: AuthorizationRequest, kind: SpendRequest['kind'], amount: bigint): SpendRequest {
  return {
    kind,
    amount,
    currency: request.currency,
    mcc: request.merchant.mcc,
    merchantId: request.merchant.id,
    merchantCurrency: request.merchantCurrency,
    cashAmount: request.cashAmount,
    fleet: request.fleet,
    partner: null,
    merchantCountry: request.merchant.country,
    channel: request.channel,
    partialApprovalAllowed: request.partialApprovalAllowed,
    avs: request.avs,
    cvc: request.cvc,
    endedBefore: false,
  };
}

function approved(approvedAmount: bigint): Answer {
  return { outcome: 'approved', approvedAmount, declineReason: null, balance: null };
}

function declined(declineReason: DeclineReason): Answer {
  return { outcome: 'declined', approvedAmount: 0n, declineReason, balance: null };
}

function answerOf(decision: Decision): Answer {
  const { outcome, approvedAmount, reason, balance } = decision;
  return { outcome, approvedAmount, declineReason: reason, balance };
}

function toStored(answer: Answer): Omit<StoredAnswer, 'authorization_id'> {
  return {
    outcome: answer.outcome,
    approved_amount: answer.approvedAmount.toString(),
    decline_reason: answer.declineReason,
    balance: answer.balance?.toString() ?? null,
  };
}

function toAnswer(stored: StoredAnswer): Answer {
  return {
    outcome: stored.outcome === 'recorded' ? 'approved' : stored.outcome,
    approvedAmount: BigInt(stored.approved_amount),
    declineReason: stored.decline_reason,
    balance: stored.balance === null ? null : BigInt(stored.balance),
  };
}
