import type { Knex } from 'knex';
import { lockAccount } from '../accounts/account.repository';
import { inOrganization, type Transaction } from '../database/transaction';
import { appendEvent } from '../outbox/append-event';
import { askUntil, type PartnerDesk, type PartnerQuestion } from '../partner-decisions/ask-partner';
import { type PartnerVerdict, partnerDecisionDocument } from '../partner-decisions/rules/partner-verdict';
import type { PartnerDecisionPolicy } from '../programs/rules/program-policy';
import type { AuthorizationReply, AuthorizationRequest } from '../providers/processor/port';
import type { ReceiptSealer } from '../receipts/seal-receipts';
import { required } from '../shared/assert';
import type { Clock } from '../shared/clock';
import { maxBigint } from '../shared/money';
import { findAmendment, overtakeAmendments } from './amendment.repository';
import { type AuthorizationRow, findAuthorization } from './authorization.repository';
import type { KnownAuthorization } from './authorize-spend';
import { findAnswer, insertAnsweredMessage } from './card-event.repository';
import { authorizationEventData } from './card-event-context';
import { extendHold } from './extend-hold';
import { isToldOf } from './order-of-messages.repository';
import { beganWithCash } from './purchase-fee';
import { advise } from './record-advice';
import { recordAmendment } from './record-amendment';
import { reversePart } from './reverse-part';
import {
  type AmendedPurchase,
  type Amendment,
  amendmentOf,
  isAboutAmount,
  snapshotForAmendment,
  standingOf,
  toldTotal,
} from './rules/amendment';
import type { AmendmentFacts } from './rules/amendment-receipt';
import { latenessOf, type MessageTimes, NOTHING_MORE, PURCHASE_ENDED, TOO_LATE } from './rules/answer-without-plan';
import { isOpen, isOver } from './rules/authorization-state';
import { type Decision, decideAuthorization, type SpendRequest } from './rules/decide-authorization';
import type { DeclineReason } from './rules/decline-reason';
import { holdExpiry } from './rules/hold-amount';
import type { SpendSnapshot } from './rules/spend-snapshot';
import { loadSpendSnapshot } from './spend-snapshot.repository';
import { replyOfStored, type StoredAnswer } from './stored-answer';
import { takenOfOpen } from './taken-of-open';
import { wakeAuthorization } from './wake-authorization';

export interface AmendAuthorizationDeps {
  /** Of the app's role. */
  readonly knex: Knex;
  readonly clock: Clock;
  readonly sealer: ReceiptSealer;
  /** Asks the fintech, where a program wants to be asked; null: none is. */
  readonly partner: PartnerDesk | null;
}

interface AmendContext {
  readonly sealer: ReceiptSealer;
  /** Whether the fintech is to be asked before more is approved. */
  readonly mayAskPartner: boolean;
  /** What it said, once it was asked. */
  readonly partner: PartnerVerdict | null;
  readonly known: KnownAuthorization;
  readonly request: AuthorizationRequest;
  readonly authorization: AuthorizationRow;
  readonly snapshot: SpendSnapshot;
  readonly amendment: Amendment;
  /** How the purchase stood before. */
  readonly purchase: AmendedPurchase;
  readonly now: Date;
}

/** What was asked: the answer to it is the answer, without what identifies it. */
type Answer = Pick<AuthorizationReply, 'outcome' | 'approvedAmount' | 'declineReason' | 'balance' | 'amendment'>;

/**
 * Answers a further message on a purchase that we know: more for it, a new total, an advice that wants an answer, or an inquiry
 * that names it. What is asked on top is decided by the rules of every authorization, as one more part of the same purchase; a
 * declined one leaves what was approved before as it is. Where the program's fintech has a say, it is asked before more is
 * approved. A repeated message gets its stored answer; past `respondBy` nothing is held, also when the time ran out while it was
 * written. Every answer that is stored leaves its receipt.
 */
export async function amendAuthorization(
  deps: AmendAuthorizationDeps,
  request: AuthorizationRequest,
  known: KnownAuthorization,
): Promise<AuthorizationReply> {
  try {
    return await amendInTime(deps, request, known, null);
  } catch (error) {
    if (!(error instanceof PartnerWantedError) || deps.partner === null) throw error;
    // Asked with nothing locked and nothing written: whatever happens meanwhile counts when it is decided anew.
    return amendInTime(deps, request, known, await deps.partner.ask(error.question));
  }
}

async function amendInTime(
  deps: AmendAuthorizationDeps,
  request: AuthorizationRequest,
  known: KnownAuthorization,
  partner: PartnerVerdict | null,
): Promise<AuthorizationReply> {
  try {
    return await amend(deps, request, known, partner);
  } catch (error) {
    if (!(error instanceof TooLateError)) throw error;
    // Taken back as a whole; the second time it is late from the start, and stored as that.
    return amend(deps, request, known, partner);
  }
}

/** The time for the answer ran out between the decision and its commit. */
class TooLateError extends Error {}

/** It would be approved with a hold, and the fintech has a say. */
class PartnerWantedError extends Error {
  constructor(readonly question: PartnerQuestion) {
    super('the fintech is to be asked');
  }
}

async function amend(
  deps: AmendAuthorizationDeps,
  request: AuthorizationRequest,
  known: KnownAuthorization,
  partner: PartnerVerdict | null,
): Promise<AuthorizationReply> {
  const { organizationId, accountId, authorizationId } = known;
  return inOrganization(deps.knex, organizationId, async (trx) => {
    required(await lockAccount(trx, organizationId, accountId), 'the account of a purchase');
    const stored = await findAnswer(trx, organizationId, request.vendor, request.messageId);
    if (stored !== undefined) {
      if (stored.content_hash !== request.contentHash) return { ...declined('duplicate_conflict'), authorizationId };
      const repeated = await findAmendment(trx, organizationId, request.vendor, request.messageId);
      // Only its answer may have been lost, on the way from a workflow or from another process: this one may be the one heard.
      const awaited = repeated?.answer_state === 'awaited' ? { amendment: { organizationId, id: repeated.id } } : {};
      return { ...replyOfStored(stored.answer), ...awaited, authorizationId };
    }
    const authorization = required(await findAuthorization(trx, organizationId, authorizationId), 'the purchase');
    // A purchase is its account's: another account's card that names it changes nothing of either.
    if (authorization.account_id !== accountId) return { ...declined('duplicate_conflict'), authorizationId: null };
    const now = deps.clock.now();
    const amendment = amendmentOf(standingOf(authorization), request.amount, request.amountBasis);
    const context: AmendContext = {
      sealer: deps.sealer,
      mayAskPartner: deps.partner !== null && partner === null,
      partner,
      known,
      request,
      authorization,
      snapshot: required(
        await loadSpendSnapshot(trx, organizationId, accountId, known.cardId),
        'the snapshot of an account',
      ),
      amendment,
      purchase: {
        total: amendment.total,
        begunAt: authorization.created_at,
        open: isOpen(authorization.state),
        fixedFeeHeld: request.kind !== 'cash_withdrawal' || beganWithCash(authorization),
        channel: authorization.channel,
        taken: await takenOfOpen(trx, authorization),
      },
      now,
    };
    const { occurredAt, respondBy } = request;
    const times = { occurredAt, respondBy, advisedAt: authorization.advised_at };
    const answer =
      latenessOf(times, now) === null ? await answerTo(trx, context) : await refuseLate(trx, context, times);
    await insertAnsweredMessage(trx, organizationId, {
      request,
      kind: request.kind === 'authorization' ? 'incremental_authorization' : request.kind,
      accountId,
      authorizationId,
      answer: { ...toStored(answer), authorization_id: authorizationId },
    });
    if (answer.outcome !== 'declined') {
      await wakeAuthorization(trx, { organizationId, authorizationId });
    }
    if (answer.outcome !== 'declined' && deps.clock.now() > request.respondBy) throw new TooLateError();
    return { ...answer, authorizationId };
  });
}

/** What comes too late is not decided, but its answer can be explained like any other. */
async function refuseLate(trx: Transaction, context: AmendContext, times: MessageTimes): Promise<Answer> {
  const { request, amendment } = context;
  const more = isAboutAmount(request.kind) ? maxBigint(amendment.more, 0n) : request.amount;
  await recordAnswer(trx, context, {
    request: { ...spendOf(request, spendKindOf(request), more), partner: context.partner },
    decision: TOO_LATE,
    facts: { late: times },
  });
  return answerOf(TOO_LATE);
}

async function answerTo(trx: Transaction, context: AmendContext): Promise<Answer> {
  const { request, amendment, authorization } = context;
  switch (request.kind) {
    case 'balance_inquiry':
    case 'refund_authorization': {
      const spend = spendOf(request, request.kind, request.amount);
      const decision = decideAuthorization(context.snapshot, spend, context.now);
      await recordAnswer(trx, context, { request: spend, decision });
      return answerOf(decision);
    }
    case 'advice':
      await advise(trx, {
        authorization,
        snapshot: context.snapshot,
        message: request,
        sealer: context.sealer,
        now: context.now,
      });
      return approved(request.amount);
    case 'authorization':
    case 'incremental_authorization':
    case 'cash_withdrawal':
    case 'zero_amount_verification':
      if (amendment.more > 0n && (await isPurchaseOver(trx, authorization, context.now)))
        return refuseEnded(trx, context);
      return amendment.more < 0n ? lower(trx, context) : raise(trx, context);
  }
}

async function isPurchaseOver(trx: Transaction, authorization: AuthorizationRow, now: Date): Promise<boolean> {
  const { state, expires_at: expiresAt } = authorization;
  const ranOut = expiresAt !== null && expiresAt <= now;
  return isOver(state, { told: true, ranOut }) && isOver(state, { told: await isToldOf(trx, authorization), ranOut });
}

/**
 * Nothing is added to a purchase that was reversed, has run out or was cleared for the last time, whether more was asked for before or
 * after: what was asked before ended with it, and what is asked after is a purchase of its own, which the merchant has to ask for as one.
 */
async function refuseEnded(trx: Transaction, context: AmendContext): Promise<Answer> {
  const { request, amendment } = context;
  await recordAnswer(trx, context, {
    request: { ...spendOf(request, spendKindOf(request), amendment.more), partner: context.partner },
    decision: PURCHASE_ENDED,
    facts: { over: true },
  });
  await announceDeclined(trx, context, { increment_decline_reason: PURCHASE_ENDED.reason });
  return answerOf(PURCHASE_ENDED);
}

async function announceDeclined(
  trx: Transaction,
  { authorization, known }: AmendContext,
  why: Readonly<Record<string, unknown>>,
): Promise<void> {
  await appendEvent(trx, {
    organizationId: known.organizationId,
    type: 'authorization.increment_declined',
    resourceKind: 'authorization',
    resourceId: authorization.id,
    data: { ...authorizationEventData(authorization, { state: authorization.state }), ...why },
  });
}

/** A new total below the old one asks for nothing: it gives back, like a reversal of the difference. */
async function lower(trx: Transaction, context: AmendContext): Promise<Answer> {
  const { authorization, request, amendment, snapshot, now } = context;
  const givenBack = -amendment.more;
  await overtakeAmendments(trx, authorization.organization_id, authorization.id);
  await reversePart(trx, {
    authorization,
    timeZone: snapshot.timeZone,
    amount: givenBack,
    messageId: request.messageId,
    effectiveAt: request.occurredAt,
    now,
  });
  await recordAnswer(trx, context, {
    request: spendOf(request, spendKindOf(request), 0n),
    decision: NOTHING_MORE,
    facts: { total: { standing: standingOf(authorization), told: toldTotal(amendment, request), givenBack } },
  });
  return approved(request.amount);
}

async function raise(trx: Transaction, context: AmendContext): Promise<Answer> {
  const { authorization, request, amendment, snapshot, purchase, now, known } = context;
  const spend = { ...spendOf(request, spendKindOf(request), amendment.more), partner: context.partner };
  const decision = decideAuthorization(snapshotForAmendment(snapshot, purchase), spend, now);
  const { outcome, approvedAmount: granted } = decision;
  const { partner_decision: policy } = snapshot.policy;
  if (context.mayAskPartner && policy?.enabled === true && outcome !== 'declined' && decision.legs.length > 0) {
    throw new PartnerWantedError(questionOf(context, decision, policy));
  }
  const record = (legIds: readonly string[]) =>
    recordAnswer(trx, context, { request: spend, decision, granted, legIds });
  if (outcome === 'declined') {
    await record([]);
    await announceDeclined(trx, context, { increment_decline_reason: decision.reason, ...partnerDataOf(context) });
    return declined(decision.reason ?? 'internal_error');
  }
  // A new total says what all that was asked before comes to, heard or not: none of it is given back any more.
  if (request.amountBasis === 'total') await overtakeAmendments(trx, authorization.organization_id, authorization.id);
  const answer = {
    ...approved(request.amountBasis === 'total' ? amendment.total + granted : granted),
    outcome,
  };
  if (amendment.more === 0n && !purchase.open) {
    await record([]);
    return answer;
  }
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
  const id = await record(change.legIds);
  await appendEvent(trx, {
    organizationId: known.organizationId,
    type: 'authorization.incremented',
    resourceKind: 'authorization',
    resourceId: authorization.id,
    data: { ...authorizationEventData(authorization, change), ...partnerDataOf(context) },
  });
  return granted > 0n ? { ...answer, amendment: { organizationId: known.organizationId, id } } : answer;
}

function partnerDataOf({ partner }: AmendContext): Readonly<Record<string, unknown>> {
  return partner === null ? {} : { partner_decision: partnerDecisionDocument(partner) };
}

function questionOf(context: AmendContext, decision: Decision, policy: PartnerDecisionPolicy): PartnerQuestion {
  const { request, amendment, snapshot, known, authorization } = context;
  const kind = request.kind === 'cash_withdrawal' ? request.kind : 'incremental_authorization';
  return {
    organizationId: known.organizationId,
    programId: snapshot.programId,
    accountId: known.accountId,
    cardholderId: snapshot.cardholderId,
    cardId: known.cardId,
    authorizationId: known.authorizationId,
    request: { ...request, kind, amount: amendment.more, amountBasis: 'delta' },
    increment: { previousTotal: amendment.total, ended: !isOpen(authorization.state) },
    approvableAmount: decision.approvedAmount,
    largestAmount: decision.largestAmount,
    policy,
    deadline: askUntil(request.respondBy),
  };
}

/** Puts an answer on record. What it does not name, it does not have. */
function recordAnswer(
  trx: Transaction,
  { sealer, authorization, known, request: message, purchase, snapshot, now }: AmendContext,
  answered: {
    readonly request: SpendRequest;
    readonly decision: Decision;
    readonly facts?: AmendmentFacts;
    readonly granted?: bigint;
    readonly legIds?: readonly string[];
  },
): Promise<string> {
  const { cardId } = known;
  const nothing = { facts: {}, granted: 0n, legIds: [] };
  const recorded = { authorization, cardId, message, purchase, snapshot, now };
  return recordAmendment(trx, sealer, { ...recorded, ...nothing, ...answered });
}

/** As what a later message is decided: whatever more is called, it is a part of a purchase, or of cash. */
function spendKindOf({ kind }: AuthorizationRequest): SpendRequest['kind'] {
  switch (kind) {
    case 'balance_inquiry':
    case 'refund_authorization':
    case 'cash_withdrawal':
    case 'advice':
      return kind;
    case 'authorization':
    case 'incremental_authorization':
    case 'zero_amount_verification':
      return 'authorization';
  }
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
