import type { SpendRequest } from '../../services/authorizations/rules/decide-authorization';
import type { SpendSnapshot } from '../../services/authorizations/rules/spend-snapshot';
import type { AssetPrice } from '../../services/credit/rules/price-state';
import { fundingPolicyForMode } from '../../services/funding/rules/funding-policy';
import { DEFAULT_PROGRAM_POLICY } from '../../services/programs/rules/program-policy';

export const NOW = new Date('2026-11-21T12:00:00Z');

/** A price observed a minute ago, with a heartbeat of an hour. */
export function priceOf(asset: string, priceUsdE8: bigint, overrides: Partial<AssetPrice> = {}): AssetPrice {
  return {
    asset,
    priceUsdE8,
    feed: 'test',
    roundId: 1n,
    heartbeatSeconds: 3_600,
    disputed: false,
    observedAt: new Date(NOW.getTime() - 60_000),
    ...overrides,
  };
}

/** A verified cardholder with 500 USDC, an active card, no collateral and no credit agreement. */
export function snapshotOf(overrides: Partial<SpendSnapshot> = {}): SpendSnapshot {
  return {
    organizationId: 'organization',
    accountId: 'account',
    accountVersion: 7n,
    programId: 'program',
    cardholderId: 'cardholder',
    programState: 'active',
    currency: 'USD',
    policyVersion: 1,
    policy: { ...DEFAULT_PROGRAM_POLICY, limits: {} },
    kycState: 'approved',
    accountState: 'active',
    overdueAmount: 0n,
    timeZone: 'Etc/UTC',
    fundingPolicy: fundingPolicyForMode('sell', ['USDC', 'EURC']),
    funds: { USDC: 500_000_000n },
    collateral: {},
    credit: {
      agreementAccepted: false,
      debtShares: 0n,
      loanHold: 0n,
      loanUnconfirmed: 0n,
      delegationLeft: 10n ** 30n,
      programIndexRay: 10n ** 27n,
      availableLiquidity: 10n ** 15n,
    },
    accountControls: {},
    accountPendingControls: null,
    accountCounters: null,
    programUsage: null,
    card: {
      id: 'card',
      state: 'active',
      expiryMonth: 12,
      expiryYear: 2030,
      productState: null,
      controls: {},
      pendingControls: null,
      counters: null,
    },
    prices: {
      USDC: priceOf('USDC', 100_000_000n),
      EURC: priceOf('EURC', 108_000_000n),
      WETH: priceOf('WETH', 300_000_000_000n),
    },
    decimals: { USD: 2, USDC: 6, EURC: 6, WETH: 18, WBTC: 8 },
    ...overrides,
  };
}

/** A purchase at a grocery shop in Germany. */
export function requestOf(amount: bigint, overrides: Partial<SpendRequest> = {}): SpendRequest {
  return {
    kind: 'authorization',
    amount,
    currency: 'USD',
    mcc: '5411',
    merchantId: 'merchant',
    merchantCurrency: 'USD',
    cashAmount: 0n,
    fleet: null,
    partner: null,
    merchantCountry: 'DEU',
    channel: 'chip',
    partialApprovalAllowed: false,
    avs: 'not_provided',
    cvc: 'not_provided',
    endedBefore: false,
    ...overrides,
  };
}
