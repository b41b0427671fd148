import type { StoredLimitCounters } from '../../cards/rules/limit-counters';
import type { PendingControls, SpendControls } from '../../cards/rules/spend-controls';
import type { AssetPrice } from '../../credit/rules/price-state';
import type { CreditLine } from '../../credit/rules/spending-power';
import type { FundingPolicy } from '../../funding/rules/funding-policy';
import type { SourceTaken } from '../../funding/rules/plan-funding';
import type { ProgramPolicy } from '../../programs/rules/program-policy';

/** Prices and decimals that every decision of a batch shares. */
export interface MarketSnapshot {
  readonly prices: Readonly<Record<string, AssetPrice>>;
  readonly decimals: Readonly<Record<string, number>>;
}

/** Everything a decision reads of one account, as it stood at `accountVersion`. */
export interface SpendSnapshot extends MarketSnapshot {
  readonly organizationId: string;
  readonly accountId: string;
  readonly accountVersion: bigint;
  readonly programId: string;
  readonly cardholderId: string;
  readonly programState: 'active' | 'disabled';
  readonly currency: string;
  readonly policyVersion: number;
  readonly policy: ProgramPolicy;
  readonly kycState: string;
  readonly accountState: 'active' | 'suspended' | 'closed';
  readonly overdueAmount: bigint;
  readonly timeZone: string;
  readonly fundingPolicy: FundingPolicy;
  readonly funds: Readonly<Record<string, bigint>>;
  readonly collateral: Readonly<Record<string, bigint>>;
  readonly credit: CreditLine;
  readonly accountControls: SpendControls;
  readonly accountPendingControls: PendingControls | null;
  readonly accountCounters: StoredLimitCounters | null;
  /** What all accounts of the program spent, at most a second old; null where the program has no cap of its own. */
  readonly programUsage: StoredLimitCounters | null;
  readonly card: CardSnapshot | null;
  /** What is asked comes on top of a purchase under way: it has been counted, and was let in by its controls. */
  readonly increment?: {
    /** Cents. */
    readonly approvedBefore: bigint;
    readonly since: Date;
    /** By which the purchase was begun. */
    readonly channel: string;
  };
  /** What the purchase under way has of each source already: ceilings per purchase are for all of it. */
  readonly takenBefore?: readonly SourceTaken[];
  /** When the purchase was put on record, where that was not now: what is taken back of it later is found by it. */
  readonly begunAt?: Date;
}

export interface CardSnapshot {
  readonly id: string;
  readonly state: string;
  readonly expiryMonth: number | null;
  readonly expiryYear: number | null;
  /** The switch of the kind of card it is; null for a card of no product. */
  readonly productState: 'active' | 'disabled' | null;
  readonly controls: SpendControls;
  readonly pendingControls: PendingControls | null;
  readonly counters: StoredLimitCounters | null;
}
