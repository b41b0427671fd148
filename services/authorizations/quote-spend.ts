import type { UnsaidFact } from '../cards/rules/evaluate-controls';
import { type CreditStanding, type CreditStandingInput, creditStanding } from '../credit/rules/credit-standing';
import { namedOn } from '../database/named-query';
import type { Transaction } from '../database/transaction';
import type { FundingPolicy } from '../funding/rules/funding-policy';
import { type ConsideredOption, optionsOutsidePolicy, usdToTokenRoundUp } from '../funding/rules/plan-funding';
import { merchantGroup } from '../programs/rules/program-policy';
import { usageUnder } from '../programs/sum-program-usage';
import type { Channel } from '../providers/processor/port';
import type { Clock } from '../shared/clock';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { type Decision, decideAuthorization, type SpendRequest } from './rules/decide-authorization';
import type { DeclineReason } from './rules/decline-reason';
import type { SpendSnapshot } from './rules/spend-snapshot';
import { loadSpendSnapshot } from './spend-snapshot.repository';

/** A purchase that somebody thinks of making. */
export interface QuotedPurchase {
  /** Cents of the program's currency. */
  readonly amount: bigint;
  /** The merchant's category decides how much is held on top; null: a merchant without allowance. */
  readonly mcc: string | null;
  readonly merchantCountry: string | null;
  /** Null: the card's own. */
  readonly merchantCurrency: string | null;
  readonly channel: Channel | null;
}

/** The least that can be bought: asks what would be the most. */
export const SMALLEST_PURCHASE: QuotedPurchase = {
  amount: 1n,
  mcc: null,
  merchantCountry: null,
  merchantCurrency: null,
  channel: null,
};

export interface QuoteInput {
  readonly organizationId: string;
  readonly accountId: string;
  /** A card's own controls and counters are looked at too when one is named. */
  readonly cardId: string | null;
  readonly purchase: QuotedPurchase;
}

export interface Quote {
  readonly decision: Decision;
  readonly snapshot: SpendSnapshot;
  /** Why one cent more than the largest amount would be declined. */
  readonly largestLimitedBy: DeclineReason | null;
  /** Base units of the leg's asset that each leg of the decision holds for moves of its price, in the legs' order. */
  readonly buffers: readonly bigint[];
  /** What the account could also pay from, but its policy does not name. */
  readonly outsidePolicy: readonly ConsideredOption[];
  readonly creditBefore: CreditStanding;
  /** The same with this purchase's hold. */
  readonly creditAfter: CreditStanding;
}

/**
 * What an authorization of this amount would be answered now: the same snapshot and the same pure decision, to the unit.
 * Holds nothing and writes nothing.
 */
export async function quoteSpend(
  trx: Transaction,
  deps: { readonly clock: Clock },
  input: QuoteInput,
): Promise<Result<Quote, Refusal>> {
  const snapshot = await loadSpendSnapshot(trx, input.organizationId, input.accountId, input.cardId);
  if (!snapshot) {
    return err(
      refusal(
        'not_found',
        input.cardId === null
          ? 'There is no such account.'
          : 'There is no such account, or the card is not one of its cards.',
      ),
    );
  }
  const now = deps.clock.now();
  return ok(quoteOn(await withUsage(trx, snapshot, now), input.purchase, now));
}

/** What nobody has summed of a program's caps yet, an authorization would sum; so does a quote. */
async function withUsage(trx: Transaction, snapshot: SpendSnapshot, now: Date): Promise<SpendSnapshot> {
  const { programUsage, policy, organizationId, programId } = snapshot;
  if (policy.program_limits === undefined || programUsage?.at !== 0) return snapshot;
  const program = { organizationId, programId };
  return { ...snapshot, programUsage: await usageUnder(namedOn(trx), program, policy.program_limits, now) };
}

/** The quotes of some purchases, each by itself, under the account's funding policy and under another one. Writes nothing. */
export async function quoteUnderPolicies(
  trx: Transaction,
  deps: { readonly clock: Clock },
  input: Omit<QuoteInput, 'purchase'> & {
    readonly purchases: readonly QuotedPurchase[];
    readonly fundingPolicy: FundingPolicy;
  },
): Promise<Result<readonly { readonly current: Quote; readonly proposed: Quote }[], Refusal>> {
  const { purchases, fundingPolicy, ...of } = input;
  const current = await quoteSpend(trx, deps, { ...of, purchase: SMALLEST_PURCHASE });
  if (!current.ok) return current;
  const { snapshot } = current.value;
  const now = deps.clock.now();
  return ok(
    purchases.map((purchase) => ({
      current: quoteOn(snapshot, purchase, now),
      proposed: quoteOn({ ...snapshot, fundingPolicy }, purchase, now),
    })),
  );
}

/** What of a snapshot an account's debt and its limits are computed from. */
export function creditLineOf(
  snapshot: SpendSnapshot,
): Omit<CreditStandingInput, 'now' | 'credit'> & Pick<SpendSnapshot, 'credit'> {
  const { credit, collateral, prices, decimals, policy } = snapshot;
  return {
    credit,
    collateral,
    prices,
    decimals,
    terms: policy.credit.collateral,
    borrowAsset: policy.credit.borrow_asset,
  };
}

function quoteOn(snapshot: SpendSnapshot, purchase: QuotedPurchase, now: Date): Quote {
  const request = requestOf(snapshot, purchase);
  const decision = decideAuthorization(snapshot, request, now);
  const above = decideAuthorization(snapshot, { ...request, amount: decision.largestAmount + 1n }, now);
  const line = creditLineOf(snapshot);
  const held = decision.legs.reduce((sum, leg) => sum + (leg.kind === 'loan_draw' ? leg.amount : 0n), 0n);
  const credit = { ...line.credit, loanHold: line.credit.loanHold + held };
  return {
    decision,
    snapshot,
    largestLimitedBy: above.reason,
    buffers: decision.legs.map(
      (leg) => leg.amount - usdToTokenRoundUp(leg.amountUsd, leg.priceUsdE8, snapshot.decimals[leg.asset] ?? 0),
    ),
    outsidePolicy: optionsOutsidePolicy(snapshot, snapshot.policy.conversion_buffer_bps, now),
    creditBefore: creditStanding({ ...line, now }),
    creditAfter: creditStanding({ ...line, credit, now }),
  };
}

function requestOf(snapshot: SpendSnapshot, purchase: QuotedPurchase): SpendRequest {
  return {
    kind: isCash(purchase) ? 'cash_withdrawal' : 'authorization',
    amount: purchase.amount,
    currency: snapshot.currency,
    mcc: purchase.mcc ?? '0000',
    merchantId: '',
    merchantCurrency: purchase.merchantCurrency ?? snapshot.currency,
    cashAmount: 0n,
    fleet: null,
    partner: null,
    merchantCountry: purchase.merchantCountry ?? '',
    channel: purchase.channel ?? 'unknown',
    partialApprovalAllowed: false,
    avs: 'not_provided',
    cvc: 'not_provided',
    endedBefore: false,
    unsaid: unsaidOf(purchase),
  };
}

/** Whether a processor would ask for it as cash: it comes from a machine, or from a merchant that hands out nothing else. */
function isCash({ channel, mcc }: QuotedPurchase): boolean {
  return channel === 'atm' || (mcc !== null && merchantGroup(mcc) === 'cash');
}

/** What the question leaves open: the controls that look at it do not answer it with no. */
function unsaidOf({ mcc, merchantCountry, channel }: QuotedPurchase): readonly UnsaidFact[] {
  return [
    'merchant',
    'fleet',
    ...(mcc === null ? (['mcc'] as const) : []),
    ...(merchantCountry === null ? (['country'] as const) : []),
    ...(channel === null ? (['channel'] as const) : []),
  ];
}
