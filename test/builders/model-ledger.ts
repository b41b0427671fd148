import { LEDGER_ACCOUNT_TYPES, type LedgerAccountRef, type TransactionDraft } from '../../services/ledger/draft';
import {
  addCounters,
  availableBalance,
  type Counters,
  counterChange,
  mayNotGoNegative,
  postedBalance,
  ZERO_COUNTERS,
} from '../../services/ledger/rules/account-balance';
import { invariant, required } from '../../services/shared/assert';

/** The ledger's rules without a database: what templates come to when they are posted. */
export class ModelLedger {
  private readonly accounts = new Map<string, { readonly ref: LedgerAccountRef; counters: Counters }>();
  private readonly keys = new Set<string>();
  private readonly holds = new Map<string, bigint>();
  private readonly positions = new Map<string, Map<string, bigint>>();
  private holdCount = 0;

  newHoldId(): string {
    this.holdCount += 1;
    return `hold-${this.holdCount}`;
  }

  post(draft: TransactionDraft | null): void {
    if (draft === null) return;
    invariant(!this.keys.has(draft.idempotencyKey), `${draft.idempotencyKey} is posted twice`);
    this.keys.add(draft.idempotencyKey);
    for (const transfer of draft.transfers) {
      const { debit, credit, amount, kind, pendingTransferId: named } = transfer;
      invariant(amount > 0n && debit.asset === credit.asset, `${draft.idempotencyKey} ${transfer.label} is malformed`);
      if (kind === 'pending') this.holds.set(required(transfer.id, 'id of a hold'), amount);
      if (named !== undefined) {
        const left = required(this.holds.get(named), named) - amount;
        invariant(left >= 0n, `${named} is exceeded by ${-left}`);
        this.holds.set(named, left);
      }
      this.add(debit, counterChange('debit', kind, amount));
      this.add(credit, counterChange('credit', kind, amount));
      if (kind === 'posted' || kind === 'post_pending') {
        if (debit.type === 'position') this.move(required(transfer.legId, 'leg of a position'), debit.asset, amount);
        if (credit.type === 'position') this.move(required(transfer.legId, 'leg of a position'), credit.asset, -amount);
      }
    }
  }

  balance(ref: LedgerAccountRef): bigint {
    return postedBalance(ref.type, this.counters(ref));
  }

  free(ref: LedgerAccountRef): bigint {
    return availableBalance(this.counters(ref));
  }

  /** Posted balances of every account of a type, by key and asset. */
  balancesOf(type: LedgerAccountRef['type']): readonly { readonly ref: LedgerAccountRef; readonly balance: bigint }[] {
    return [...this.accounts.values()]
      .filter((account) => account.ref.type === type)
      .map(({ ref, counters }) => ({ ref, balance: postedBalance(ref.type, counters) }));
  }

  openDebit(legId: string, asset: string): bigint {
    return this.positions.get(legId)?.get(asset) ?? 0n;
  }

  openPositions(): readonly string[] {
    return [...this.positions].flatMap(([leg, assets]) =>
      [...assets].filter(([, open]) => open !== 0n).map(([asset, open]) => `${leg} ${asset} ${open}`),
    );
  }

  /** Σ debits less Σ credits per asset. */
  totals(): ReadonlyMap<string, bigint> {
    const totals = new Map<string, bigint>();
    for (const { ref, counters } of this.accounts.values()) {
      const debit = counters.postedDebits - counters.postedCredits;
      totals.set(ref.asset, (totals.get(ref.asset) ?? 0n) + debit);
    }
    return totals;
  }

  private counters(ref: LedgerAccountRef): Counters {
    return this.accounts.get(nameOf(ref))?.counters ?? ZERO_COUNTERS;
  }

  private add(ref: LedgerAccountRef, change: Counters): void {
    invariant(ref.type in LEDGER_ACCOUNT_TYPES, ref.type);
    const counters = addCounters(this.counters(ref), change);
    invariant(!mayNotGoNegative(ref.type) || availableBalance(counters) >= 0n, `${nameOf(ref)} below zero`);
    this.accounts.set(nameOf(ref), { ref, counters });
  }

  private move(legId: string, asset: string, debit: bigint): void {
    const assets = this.positions.get(legId) ?? new Map<string, bigint>();
    assets.set(asset, (assets.get(asset) ?? 0n) + debit);
    this.positions.set(legId, assets);
  }
}

function nameOf(ref: LedgerAccountRef): string {
  return `${ref.type}|${ref.key}|${ref.asset}`;
}
