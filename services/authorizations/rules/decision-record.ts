import type { Decision, SpendRequest } from './decide-authorization';
import { RULES_VERSION } from './decide-authorization';
import type { SpendSnapshot } from './spend-snapshot';

function amountsToStrings(amounts: Readonly<Record<string, bigint>>): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const [asset, amount] of Object.entries(amounts)) texts[asset] = amount.toString();
  return texts;
}

/**
 * What is stored of a decision: every input it read and what came of it, so that it can be explained and taken again.
 * Amounts are strings of base units (USD: cents), instants ISO 8601.
 */
export function decisionRecord(snapshot: SpendSnapshot, request: SpendRequest, decision: Decision, now: Date) {
  const { credit } = snapshot;
  const priced = new Set([
    ...Object.keys(snapshot.funds),
    ...Object.keys(snapshot.collateral),
    ...decision.options.map((each) => each.asset),
  ]);
  return {
    rules_version: RULES_VERSION,
    policy_version: snapshot.policyVersion,
    account_version: snapshot.accountVersion.toString(),
    decided_at: now.toISOString(),
    request: {
      ...request,
      amount: request.amount.toString(),
      cashAmount: request.cashAmount.toString(),
      fleet: request.fleet && {
        ...request.fleet,
        odometer: request.fleet.odometer?.toString() ?? null,
        fuelVolumeMl: request.fleet.fuelVolumeMl?.toString() ?? null,
      },
    },
    inputs: {
      program_state: snapshot.programState,
      kyc_state: snapshot.kycState,
      account_state: snapshot.accountState,
      overdue_amount: snapshot.overdueAmount.toString(),
      time_zone: snapshot.timeZone,
      card: snapshot.card,
      account_counters: snapshot.accountCounters,
      funding_policy: snapshot.fundingPolicy.sources.map((source) =>
        source.kind === 'stablecoin'
          ? { kind: source.kind, asset: source.asset, keep: source.keep.toString() }
          : { kind: source.kind, ltv_max_bps: source.ltvMaxBps },
      ),
      funding_mode: snapshot.fundingPolicy.mode,
      funds: amountsToStrings(snapshot.funds),
      collateral: amountsToStrings(snapshot.collateral),
      credit: {
        agreement_accepted: credit.agreementAccepted,
        debt_shares: credit.debtShares.toString(),
        loan_hold: credit.loanHold.toString(),
        loan_unconfirmed: credit.loanUnconfirmed.toString(),
        delegation_left: credit.delegationLeft.toString(),
        program_index_ray: credit.programIndexRay?.toString() ?? null,
        available_liquidity: credit.availableLiquidity.toString(),
      },
      prices: Object.values(snapshot.prices)
        .filter((price) => priced.has(price.asset))
        .map((price) => ({
          asset: price.asset,
          price_usd_e8: price.priceUsdE8.toString(),
          feed: price.feed,
          round_id: price.roundId.toString(),
          heartbeat_seconds: price.heartbeatSeconds,
          disputed: price.disputed,
          observed_at: price.observedAt.toISOString(),
        })),
    },
    outcome: decision.outcome,
    reason: decision.reason,
    approved_amount: decision.approvedAmount.toString(),
    hold_amount: decision.holdAmount.toString(),
    largest_amount: decision.largestAmount.toString(),
    legs: decision.legs.map((leg) => ({
      kind: leg.kind,
      asset: leg.asset,
      amount: leg.amount.toString(),
      amount_usd: leg.amountUsd.toString(),
      price_usd_e8: leg.priceUsdE8.toString(),
    })),
    options: decision.options.map((option) => ({
      kind: option.kind,
      asset: option.asset,
      capacity_usd: option.capacityUsd.toString(),
      used_usd: option.usedUsd.toString(),
      rejection: option.rejection,
    })),
  };
}

export type DecisionRecord = ReturnType<typeof decisionRecord>;
