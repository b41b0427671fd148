import type { PendingWebhook } from '../shared/webhook-outbox';
import { type BankState, emptyBank } from './bank';
import type { Transfer, TransferPlan } from './transfers';

/** Everything the vendor and the bank know, in one document: a payout and its bank entry are stored together. */
export interface VendorState {
  /** Of the deposit addresses: made anew with each state, so that two vendors on one chain never share an address. */
  mnemonic: string;
  transfers: Record<string, Transfer>;
  /** Newest last. */
  order: string[];
  idempotency: Record<string, { readonly requestHash: string; readonly transferId: string; readonly at: string }>;
  nextDepositIndex: number;
  eventSequence: number;
  /** Plans for the next transfers to be created, first come first served. */
  plans: TransferPlan[];
  settings: {
    feeBps: number;
    /** USD per token times 10^9, for tokens pegged to the dollar. */
    dollarTokenRateE9: string;
    /** The published fiat rates, USD to EUR. */
    usdEur: { midmarket: string; buy: string; sell: string };
  };
  /** Last block whose logs have been read. */
  scannedBlock: string | null;
  /** Tokens that came to a deposit address after its transfer had gone on. */
  unmatchedDeposits: { transferId: string; transactionHash: string; amount: string }[];
  seenDeposits: Record<string, true>;
  bank: BankState;
  pending: PendingWebhook[];
}

export function emptyVendorState(feeBps: number, mnemonic: string): VendorState {
  return {
    mnemonic,
    transfers: {},
    order: [],
    idempotency: {},
    nextDepositIndex: 0,
    eventSequence: 0,
    plans: [],
    settings: {
      feeBps,
      dollarTokenRateE9: '1000000000',
      usdEur: { midmarket: '0.9259', buy: '0.9213', sell: '0.9305' },
    },
    scannedBlock: null,
    unmatchedDeposits: [],
    seenDeposits: {},
    bank: emptyBank(),
    pending: [],
  };
}
