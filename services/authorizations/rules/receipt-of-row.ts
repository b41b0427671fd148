import { isAboutAmount } from './amendment';
import { amendmentOfReceipt, timesOfReceipt } from './amendment-receipt';
import type { Receipt } from './receipt';
import type { Difference } from './replay';

/** What of an authorization's row its first decision fixed: nothing that comes later changes it. Amounts are cents. */
export interface DecidedRow {
  readonly id: string;
  readonly organization_id: string;
  readonly account_id: string;
  readonly card_id: string;
  readonly program_id: string;
  readonly content_hash: string | null;
  readonly currency: string;
  readonly requested_amount: bigint;
  readonly cash_amount: bigint;
  readonly merchant: { readonly id: string; readonly mcc: string; readonly country: string };
  readonly channel: string;
  readonly decline_reason: string | null;
  readonly advised: boolean;
}

/** A leg as its row keeps it. */
export interface DecidedLeg {
  readonly ordinal: number;
  readonly kind: string;
  readonly asset: string;
  readonly held_amount: bigint;
  readonly held_usd: bigint;
  readonly price_usd_e8: bigint;
}

/**
 * Where an authorization's rows say something else than its receipt. `stored` is the row's value, `again` the receipt's. The
 * legs of the first decision come first; those of increments stand behind them.
 */
export function rowDifferences(row: DecidedRow, legs: readonly DecidedLeg[], receipt: Receipt): readonly Difference[] {
  const { request, outcome, account, card } = receipt;
  const pairs: Pair[] = [
    ['authorization', row.id, receipt.authorization],
    ['organization', row.organization_id, receipt.organization],
    ['account', row.account_id, account.id],
    ['card', row.card_id, card?.id ?? null],
    ['program', row.program_id, receipt.program.id],
    ['message', row.content_hash, receipt.message],
    ['currency', row.currency, request.currency],
    ['requested', row.requested_amount.toString(), request.amount],
    ['cash', row.cash_amount.toString(), request.cash ?? '0'],
    ['merchant', row.merchant.id, request.merchant],
    ['mcc', row.merchant.mcc, request.mcc],
    ['country', row.merchant.country, request.country],
    ['channel', row.channel, request.channel],
  ];
  const late = row.decline_reason === 'late' && outcome.reason === undefined;
  // A purchase that we declined and the network made all the same is not declined any more.
  if (!late && !(row.advised && row.decline_reason === null)) {
    pairs.push(['reason', row.decline_reason, outcome.reason ?? null]);
  }
  const decided = late ? [] : (outcome.legs ?? []);
  for (const [index, leg] of decided.entries()) {
    pairs.push([`leg ${index}`, legText(legs.find((each) => each.ordinal === index)), leg.join(' ')]);
  }
  return differencesIn(pairs);
}

/** What of an amendment's row its decision fixed. Amounts are cents. */
export interface DecidedAmendment {
  readonly id: string;
  readonly organization_id: string;
  readonly authorization_id: string;
  readonly account_id: string;
  readonly card_id: string;
  readonly content_hash: string;
  readonly kind: string;
  readonly outcome: string;
  readonly decline_reason: string | null;
  readonly requested_amount: bigint;
  readonly total_before: bigint;
  readonly granted: bigint;
  readonly given_back: bigint | null;
  readonly occurred_at: Date;
  readonly respond_by: Date | null;
}

/** Where an amendment's row and the legs that it placed, in their order, say something else than its receipt. */
export function amendmentDifferences(
  row: DecidedAmendment,
  legs: readonly DecidedLeg[],
  receipt: Receipt,
): readonly Difference[] {
  const { request, outcome, account, card } = receipt;
  const amendment = amendmentOfReceipt(receipt);
  const pairs: Pair[] = [
    ['amendment', row.id, amendment?.id ?? null],
    ['authorization', row.authorization_id, receipt.authorization],
    ['organization', row.organization_id, receipt.organization],
    ['account', row.account_id, account.id],
    ['card', row.card_id, card?.id ?? null],
    ['message', row.content_hash, receipt.message],
    ['requested', row.requested_amount.toString(), request.amount],
    ['total before', row.total_before.toString(), amendment?.approved ?? null],
    ['outcome', row.outcome, outcome.result],
    ['reason', row.decline_reason, outcome.reason ?? null],
    ['granted', row.granted.toString(), grantedBy(row.kind, receipt)],
    ['given back', row.given_back?.toString() ?? null, amendment?.total?.given_back ?? null],
  ];
  const times = amendment && timesOfReceipt(amendment);
  if (times) {
    pairs.push(['occurred at', row.occurred_at.toISOString(), times.occurredAt.toISOString()]);
    pairs.push(['respond by', row.respond_by?.toISOString() ?? null, times.respondBy.toISOString()]);
  }
  const decided = amendment?.narrowed === true ? [] : (outcome.legs ?? []);
  for (let index = 0; index < Math.max(decided.length, legs.length); index += 1) {
    pairs.push([`leg ${index}`, legText(legs[index]), decided[index]?.join(' ') ?? null]);
  }
  return differencesIn(pairs);
}

/** What an answer approved on top of its purchase, cents. */
function grantedBy(kind: string, { request, outcome }: Receipt): string {
  if (!isAboutAmount(kind)) return '0';
  // What the network tells is granted as a whole, whatever covers it.
  return kind === 'advice' && outcome.result !== 'declined' ? request.amount : outcome.approved;
}

type Pair = [field: string, stored: string | null, again: string | null];

function legText(leg: DecidedLeg | undefined): string | null {
  return leg ? [leg.kind, leg.asset, leg.held_amount, leg.held_usd, leg.price_usd_e8].join(' ') : null;
}

function differencesIn(pairs: readonly Pair[]): readonly Difference[] {
  return pairs.flatMap(([field, stored, again]) =>
    stored === again ? [] : [{ field: `row ${field}`, stored: stored ?? undefined, again: again ?? undefined }],
  );
}
