import { toDecimal } from './decimals';

/** Bridge's published transfer states that this simulator walks through. */
export type TransferState =
  | 'awaiting_funds'
  | 'in_review'
  | 'funds_received'
  | 'payment_submitted'
  | 'payment_processed'
  | 'undeliverable'
  | 'returned'
  | 'refund_in_flight'
  | 'refunded'
  | 'canceled'
  | 'error';

/**
 * How a transfer will go. `pay`: paid out. `return`: the bank refuses the payment and the tokens are sent back.
 * `cancel`: given up before any token is taken. `stick`: stays in review until it is told to go on.
 */
export type TransferPlan = 'pay' | 'return' | 'cancel' | 'stick';

export interface Transfer {
  id: string;
  clientReferenceId: string | null;
  onBehalfOf: string;
  /** Published state, or any other word when a test sets one. */
  state: string;
  plan: TransferPlan;
  sourceCurrency: string;
  sourceRail: string;
  fromAddress: string;
  /** Base units of the token. */
  amount: string;
  tokenDecimals: number;
  destinationRail: string;
  externalAccountId: string;
  wireMessage: string | null;
  depositIndex: number;
  depositAddress: string;
  /** Base units that arrived at the deposit address. */
  received: string;
  sourceTxHash: string | null;
  /** Cents before and of the fee, and what the bank was told to pay; fixed when the funds arrive. */
  grossCents: string | null;
  feeCents: string | null;
  paidCents: string | null;
  /** Signed bytes of the return, stored before they are sent. */
  returnRaw: string | null;
  returnTxHash: string | null;
  reason: string | null;
  nextStepAt: number | null;
  createdAt: string;
  updatedAt: string;
  history: { state: string; at: string }[];
}

/** What the fee and the rate come to. `rateE9` is USD per token times 10^9; the fee is rounded up, the payout down. */
export function payoutOf(
  amount: bigint,
  tokenDecimals: number,
  terms: { readonly rateE9: bigint; readonly feeBps: number },
): { readonly grossCents: bigint; readonly feeCents: bigint } {
  const grossCents = (amount * terms.rateE9 * 100n) / (10n ** BigInt(tokenDecimals) * 1_000_000_000n);
  const feeCents = (grossCents * BigInt(terms.feeBps) + 9_999n) / 10_000n;
  return { grossCents, feeCents };
}

/** The state after `state` on the way of `plan`, or null when the transfer waits for something else. */
export function nextState(state: string, plan: TransferPlan): TransferState | null {
  if (state === 'awaiting_funds') return plan === 'cancel' ? 'canceled' : null;
  if (state === 'in_review') return plan === 'stick' ? null : 'funds_received';
  if (state === 'funds_received') return plan === 'stick' ? 'in_review' : 'payment_submitted';
  if (state === 'payment_submitted') return plan === 'return' ? 'returned' : 'payment_processed';
  if (state === 'undeliverable' || state === 'returned') return 'refund_in_flight';
  if (state === 'refund_in_flight') return 'refunded';
  return null;
}

export function moveTo(transfer: Transfer, state: string, now: Date): void {
  transfer.state = state;
  transfer.updatedAt = now.toISOString();
  transfer.history.push({ state, at: transfer.updatedAt });
}

/** The transfer as the API and its webhooks show it. Money is in the currency the token is pegged to. */
export function transferResource(transfer: Transfer): Record<string, unknown> {
  const amount = toDecimal(BigInt(transfer.amount), transfer.tokenDecimals);
  return {
    id: transfer.id,
    client_reference_id: transfer.clientReferenceId,
    state: transfer.state,
    on_behalf_of: transfer.onBehalfOf,
    currency: pegOf(transfer.sourceCurrency),
    amount,
    developer_fee: '0.0',
    source: {
      payment_rail: transfer.sourceRail,
      currency: transfer.sourceCurrency,
      from_address: transfer.fromAddress,
    },
    destination: {
      payment_rail: transfer.destinationRail,
      currency: 'usd',
      external_account_id: transfer.externalAccountId,
      ...(transfer.wireMessage === null ? {} : { wire_message: transfer.wireMessage }),
    },
    source_deposit_instructions: {
      payment_rail: transfer.sourceRail,
      amount,
      currency: transfer.sourceCurrency,
      from_address: transfer.fromAddress,
      to_address: transfer.depositAddress,
    },
    receipt: receiptOf(transfer),
    created_at: transfer.createdAt,
    updated_at: transfer.updatedAt,
  };
}

function receiptOf(transfer: Transfer): Record<string, unknown> {
  const initial = transfer.sourceTxHash === null ? BigInt(transfer.amount) : BigInt(transfer.received);
  const amount = toDecimal(initial, transfer.tokenDecimals);
  const hashes = {
    ...(transfer.sourceTxHash === null ? {} : { source_tx_hash: transfer.sourceTxHash }),
    ...(transfer.returnTxHash === null || transfer.state !== 'refunded'
      ? {}
      : { destination_tx_hash: transfer.returnTxHash }),
  };
  const base = { initial_amount: amount, developer_fee: '0.0', gas_fee: '0.0' };
  if (transfer.grossCents === null || transfer.feeCents === null) {
    return { ...base, exchange_fee: '0.0', subtotal_amount: amount, final_amount: amount, ...hashes };
  }
  const final = BigInt(transfer.grossCents) - BigInt(transfer.feeCents);
  // A token pegged to the dollar: all that is not paid out is the exchange fee, the fraction of a cent included.
  const scale = 10n ** BigInt(transfer.tokenDecimals - 2);
  const exchangeFee = pegOf(transfer.sourceCurrency) === 'usd' ? initial - final * scale : 0n;
  return {
    ...base,
    exchange_fee: toDecimal(exchangeFee, transfer.tokenDecimals),
    subtotal_amount: toDecimal(initial - exchangeFee, transfer.tokenDecimals),
    final_amount: toDecimal(final, 2),
    ...hashes,
  };
}

const PEGS: Readonly<Record<string, 'usd' | 'eur'>> = { usdc: 'usd', usdt: 'usd', usdb: 'usd', eurc: 'eur' };

export function pegOf(currency: string): 'usd' | 'eur' | null {
  return PEGS[currency] ?? null;
}
