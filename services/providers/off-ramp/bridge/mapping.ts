import { createHash } from 'node:crypto';
import { formatDecimal, parseDecimal } from '../../../shared/money';
import { basisPointsRoundUp, divideRoundDown } from '../../../shared/rounding';
import type { OffRampOrder, OffRampOrderState, OffRampQuote, OffRampSandboxPlan } from '../port';
import type { TransferWire } from './wire';

/** A token as Bridge names it, and the fiat currency in which Bridge counts it. */
export interface BridgeToken {
  readonly currency: string;
  readonly decimals: number;
  readonly peg: 'usd' | 'eur';
}

/** Bridge denominates a transfer in "the fiat currency to which the source currency is pegged". */
export const BRIDGE_TOKENS: Readonly<Record<string, BridgeToken>> = {
  USDC: { currency: 'usdc', decimals: 6, peg: 'usd' },
  EURC: { currency: 'eurc', decimals: 6, peg: 'eur' },
};

function tokenOf(currency: string): BridgeToken | null {
  return Object.values(BRIDGE_TOKENS).find((token) => token.currency === currency) ?? null;
}

/**
 * Published states in our words. While a refused payment travels back (`undeliverable`, `returned`, `refund_in_flight`)
 * the vendor still holds the money; only `refunded` means that the tokens were sent back. A state that needs a person
 * (`error`, `refund_failed`, `missing_return_policy`) or that is not known stays `unrecognized`.
 */
const STATES: Readonly<Record<string, OffRampOrderState>> = {
  awaiting_funds: 'awaiting_funds',
  in_review: 'funds_received',
  funds_received: 'funds_received',
  payment_submitted: 'submitted',
  undeliverable: 'submitted',
  returned: 'submitted',
  refund_in_flight: 'submitted',
  payment_processed: 'paid_out',
  refunded: 'returned',
  canceled: 'failed',
};

export function toState(state: string): OffRampOrderState {
  return STATES[state] ?? 'unrecognized';
}

/** Base units of a vendor decimal; zeros beyond the asset's digits are dropped, anything else beyond them is refused. */
function unitsOf(text: string, decimals: number): bigint | null {
  const trimmed = text.includes('.') ? text.replace(/\.?0+$/, '') : text;
  const parsed = parseDecimal(trimmed, decimals);
  return parsed.ok ? parsed.value : null;
}

/** Cents before the fee and the fee, from the receipt of a transfer that was paid out. Null when it can't be read. */
function payoutOf(transfer: TransferWire, token: BridgeToken): { readonly gross: bigint; readonly fee: bigint } | null {
  const { receipt } = transfer;
  const final = receipt ? unitsOf(receipt.final_amount, 2) : null;
  if (!receipt || final === null) return null;
  // In another currency than the payout's, the vendor's margin is inside its rate and the receipt shows no dollar fee.
  if (token.peg !== 'usd') return { gross: final, fee: 0n };
  const fees = [receipt.exchange_fee, receipt.developer_fee, receipt.gas_fee].map((text) =>
    unitsOf(text, token.decimals),
  );
  let charged = 0n;
  for (const fee of fees) {
    if (fee === null) return null;
    charged += fee;
  }
  const cent = 10n ** BigInt(token.decimals - 2);
  const gross = divideRoundDown(final * cent + charged, cent);
  return { gross, fee: gross - final };
}

/** The transfer as an order, or null when a figure in it can't be read exactly. */
export function toOrder(transfer: TransferWire): OffRampOrder | null {
  const token = tokenOf(transfer.source.currency);
  const sourceAmount = token === null ? null : unitsOf(transfer.amount, token.decimals);
  const depositAddress = transfer.source_deposit_instructions?.to_address;
  if (token === null || sourceAmount === null || !depositAddress) return null;
  const state = toState(transfer.state);
  const payout = state === 'paid_out' ? payoutOf(transfer, token) : null;
  if (state === 'paid_out' && payout === null) return null;
  return {
    vendorOrderId: transfer.id,
    idempotencyKey: transfer.client_reference_id ?? '',
    state,
    depositAddress,
    sourceAmount,
    grossAmount: payout?.gross ?? null,
    feeAmount: payout?.fee ?? null,
    bankReference: transfer.destination.wire_message ?? null,
    returnTransactionHash: state === 'returned' ? (transfer.receipt?.destination_tx_hash ?? null) : null,
  };
}

/** Our reference on the bank's statement: 24 characters, the same for the same order. */
export function bankReferenceOf(idempotencyKey: string): string {
  return `ESC-${createHash('sha256').update(idempotencyKey).digest('hex').slice(0, 20).toUpperCase()}`;
}

export function toTransferBody(
  input: {
    readonly idempotencyKey: string;
    readonly sourceAmount: bigint;
    readonly fromAddress: string;
  },
  token: BridgeToken,
  account: { readonly customerId: string; readonly externalAccountId: string; readonly paymentRail: string },
): Record<string, unknown> {
  return {
    client_reference_id: input.idempotencyKey,
    amount: formatDecimal(input.sourceAmount, token.decimals),
    on_behalf_of: account.customerId,
    source: { payment_rail: account.paymentRail, currency: token.currency, from_address: input.fromAddress },
    destination: {
      payment_rail: 'wire',
      currency: 'usd',
      external_account_id: account.externalAccountId,
      wire_message: bankReferenceOf(input.idempotencyKey),
    },
  };
}

/**
 * What `sourceAmount` would pay out: gross rounded down, fee rounded up. `usdToPegSellRate` is Bridge's `sell_rate` from
 * USD to the token's peg (what a dollar costs in it); null for a token pegged to the dollar, which counts one to one.
 */
export function toQuote(
  sourceAsset: string,
  sourceAmount: bigint,
  decimals: number,
  terms: { readonly usdToPegSellRate: string | null; readonly feeBps: number },
): OffRampQuote | null {
  const cent = 10n ** BigInt(decimals - 2);
  let grossAmount = divideRoundDown(sourceAmount, cent);
  if (terms.usdToPegSellRate !== null) {
    const rate = unitsOf(terms.usdToPegSellRate, RATE_DECIMALS);
    if (rate === null || rate === 0n) return null;
    grossAmount = divideRoundDown(sourceAmount * 10n ** BigInt(RATE_DECIMALS), cent * rate);
  }
  return { sourceAsset, sourceAmount, grossAmount, feeAmount: basisPointsRoundUp(grossAmount, terms.feeBps) };
}

const RATE_DECIMALS = 18;

/** A sandbox plan in the simulator's words. */
export const SANDBOX_PLAN: Readonly<Record<OffRampSandboxPlan, string>> = {
  pay: 'pay',
  return: 'return',
  fail: 'cancel',
  hold: 'stick',
};
