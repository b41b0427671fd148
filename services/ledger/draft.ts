import type { AssetCode, BaseUnits } from '../shared/money';

/** Which side of an account grows when what it stands for grows, and whether its balance is kept on its row. */
interface LedgerAccountNature {
  readonly normal: 'debit' | 'credit';
  /** Balance kept on the account's row in the same transaction. The others are derived: one hot row would serialise all writers. */
  readonly materialised: boolean;
}

/** Every kind of ledger account. `docs/ledger.md` says what each stands for. */
export const LEDGER_ACCOUNT_TYPES = {
  'cardholder.funds': { normal: 'credit', materialised: true },
  'cardholder.collateral': { normal: 'credit', materialised: true },
  'cardholder.loan': { normal: 'debit', materialised: true },
  'cardholder.interest': { normal: 'debit', materialised: true },
  'cardholder.overdue': { normal: 'debit', materialised: true },
  'custody.wallet': { normal: 'debit', materialised: false },
  'venue.collateral': { normal: 'debit', materialised: false },
  'venue.debt': { normal: 'credit', materialised: false },
  'offramp.transit': { normal: 'debit', materialised: false },
  'bank.settlement': { normal: 'debit', materialised: false },
  'network.payable': { normal: 'credit', materialised: false },
  'network.reserved': { normal: 'credit', materialised: false },
  'organization.float': { normal: 'credit', materialised: false },
  suspense: { normal: 'credit', materialised: false },
  position: { normal: 'debit', materialised: false },
  'revenue.interest': { normal: 'credit', materialised: false },
  'revenue.conversion': { normal: 'credit', materialised: false },
  'revenue.rounding': { normal: 'credit', materialised: false },
  'revenue.fees': { normal: 'credit', materialised: false },
  'revenue.settlement': { normal: 'credit', materialised: false },
  'expense.gas': { normal: 'debit', materialised: false },
  'expense.offramp': { normal: 'debit', materialised: false },
  'expense.conversion': { normal: 'debit', materialised: false },
  'expense.rounding': { normal: 'debit', materialised: false },
  'expense.interest': { normal: 'debit', materialised: false },
  'expense.interest_refund': { normal: 'debit', materialised: false },
  'expense.settlement': { normal: 'debit', materialised: false },
} as const satisfies Readonly<Record<string, LedgerAccountNature>>;

export type LedgerAccountType = keyof typeof LEDGER_ACCOUNT_TYPES;

/** Names one ledger account of an organization. `key` is canonical lower case; see `account-refs.ts` for the constructors. */
export interface LedgerAccountRef {
  readonly type: LedgerAccountType;
  readonly key: string;
  readonly asset: AssetCode;
  /** The cardholder account that it belongs to, for the types `cardholder.*`. */
  readonly accountId?: string;
}

/**
 * `posted` moves money now; `pending` holds it. The other three repeat a hold's accounts and name it: all or part of the
 * hold becomes final, is given up, or ran out. Σ of them never exceeds the hold.
 */
export type TransferKind = 'posted' | 'pending' | 'post_pending' | 'void_pending' | 'expire_pending';

/** One amount of one asset from `debit` to `credit`. Both must be of `amount`'s asset. */
export interface TransferDraft {
  /** Given when something else must name the transfer, as a leg names its hold; otherwise made when posted. */
  readonly id?: string;
  readonly label: string;
  readonly kind: TransferKind;
  readonly debit: LedgerAccountRef;
  readonly credit: LedgerAccountRef;
  /** Base units of the accounts' asset, > 0. */
  readonly amount: BaseUnits;
  /** The funding leg, refund leg or order it belongs to: `position` is zero per leg once the leg is finished. */
  readonly legId?: string;
  readonly pendingTransferId?: string;
}

/** Transfers that commit together, named by the template that made them. */
export interface TransactionDraft {
  readonly id?: string;
  readonly template: TemplateName;
  /** Business key of the effect: the same effect again posts nothing. */
  readonly idempotencyKey: string;
  /** The date the outside world gives it (the network's, the chain's, the bank's). */
  readonly effectiveAt: Date;
  readonly transfers: readonly TransferDraft[];
}

/** One file in `templates/` each, and one section in `docs/ledger.md`. */
export const TEMPLATE_NAMES = [
  'fund-organization',
  'record-deposit',
  'sweep',
  'top-up-gas',
  'pay-gas',
  'pledge-collateral',
  'release-collateral',
  'accrue-yield',
  'place-authorization-hold',
  'release-authorization-hold',
  'post-card-clearing',
  'spend-reservation',
  'sell-stablecoin',
  'return-sale',
  'close-position-difference',
  'draw-loan',
  'return-draw',
  'fail-draw',
  'accrue-interest',
  'repay-loan',
  'repay-venue',
  'venue-rounding',
  'post-refund',
  'buy-back-tokens',
  'collect-overdue',
  'settle-network',
  'accept-settlement-difference',
] as const;

export type TemplateName = (typeof TEMPLATE_NAMES)[number];

/** A posted transfer. */
export function moved(
  label: string,
  debit: LedgerAccountRef,
  credit: LedgerAccountRef,
  amount: BaseUnits,
  legId?: string,
): TransferDraft {
  const transfer = { label, kind: 'posted' as const, debit, credit, amount };
  return legId === undefined ? transfer : { ...transfer, legId };
}

/** Leaves out what moves nothing: a fee of zero is no transfer. */
export function withoutZeros(transfers: readonly TransferDraft[]): readonly TransferDraft[] {
  return transfers.filter((transfer) => transfer.amount !== 0n);
}
