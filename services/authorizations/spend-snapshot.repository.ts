import type { Pool, PoolClient } from 'pg';
import type { StoredLimitCounters } from '../cards/rules/limit-counters';
import type { PendingControls, SpendControls } from '../cards/rules/spend-controls';
import { RAY } from '../credit/rules/loan-to-value';
import type { AssetPrice } from '../credit/rules/price-state';
import type { Transaction } from '../database/transaction';
import { fundingPolicyFromStored, type StoredFundingPolicy } from '../funding/rules/funding-policy';
import type { ProgramPolicy } from '../programs/rules/program-policy';
import { answersCaps, type StoredProgramUsage, unknownUsage } from '../programs/rules/program-usage';
import { required } from '../shared/assert';
import { divideRoundUp } from '../shared/rounding';
import type { DeclineReason } from './rules/decline-reason';
import type { Receipt } from './rules/receipt';
import type { CardSnapshot, MarketSnapshot, SpendSnapshot } from './rules/spend-snapshot';
import type { StoredAnswer } from './stored-answer';

/** What decisions of many accounts share: prices, reserves, decimals and what capped programs have spent. */
const MARKET_JSON = `json_build_object(
  'prices', (SELECT coalesce(json_agg(json_build_array(p.asset, p.price_usd_e8::text, p.feed, p.round_id::text,
      p.heartbeat_seconds, p.disputed, (extract(epoch from p.observed_at) * 1000)::bigint) ORDER BY p.asset), '[]'::json)
      FROM asset_prices p),
  'reserves', (SELECT coalesce(json_agg(json_build_array(v.venue, v.asset, v.borrow_index_ray::text, v.available_liquidity::text)
      ORDER BY v.venue, v.asset), '[]'::json) FROM venue_reserves v),
  'decimals', (SELECT json_object_agg(s.code, s.decimals ORDER BY s.code) FROM assets s),
  'usage', (SELECT coalesce(json_object_agg(u.program_id, u.windows), '{}'::json) FROM program_usage u))`;

const MARKET_SQL = `SELECT ${MARKET_JSON} AS market`;

/** One account's decision inputs. The joins are on (organization_id, id): the hot path's role sees every organization. */
const ACCOUNT_COLUMNS = `
  a.organization_id, a.id AS account_id, a.version::text AS account_version, a.program_id, a.cardholder_id,
  a.state AS account_state, a.overdue_amount::text AS overdue_amount, a.time_zone, a.funding_policy,
  a.debt_shares::text AS debt_shares, a.loan_hold::text AS loan_hold, a.loan_unconfirmed::text AS loan_unconfirmed,
  a.delegation_left::text AS delegation_left, a.credit_agreement_id IS NOT NULL AS agreement_accepted,
  p.state AS program_state, p.currency, p.policy_version, p.version::text AS program_version,
  p.spread_factor_ray::text AS spread_factor_ray,
  a.controls AS account_controls, a.pending_controls AS account_pending_controls, a.spend_counters,
  h.kyc_state, c.id AS card_id, c.state AS card_state, c.expiry_month, c.expiry_year, c.controls, c.pending_controls,
  (SELECT d.state FROM card_products d WHERE d.organization_id = c.organization_id AND d.id = c.product_id) AS product_state,
  (SELECT json_agg(json_build_array(l.type, l.asset, (l.posted_credits - l.posted_debits - l.pending_debits)::text))
     FROM ledger_accounts l WHERE l.organization_id = a.organization_id AND l.type IN ('cardholder.funds', 'cardholder.collateral')
      AND l.key = a.id::text) AS balances,
  (SELECT n.windows FROM limit_counters n
    WHERE n.organization_id = a.organization_id AND n.account_id = a.id AND n.scope_id = c.id) AS card_counters`;

const ACCOUNT_JOINS = `
  JOIN programs p ON p.organization_id = a.organization_id AND p.id = a.program_id
  JOIN cardholders h ON h.organization_id = a.organization_id AND h.id = a.cardholder_id`;

/** $1 vendor[], $2 card token[], $3 message id[], $4 processor authorization id[]: one row per item, in any order. */
const BATCH_SNAPSHOT_SQL = `
SELECT r.ordinal::int AS ordinal, ${ACCOUNT_COLUMNS},
  (SELECT json_build_object('content_hash', m.content_hash, 'answer', m.answer) FROM card_messages m
    WHERE m.organization_id = route.organization_id AND m.vendor = r.vendor AND m.message_id = r.message_id) AS known_message,
  (SELECT json_build_object('id', z.id, 'message_id', z.message_id, 'content_hash', z.content_hash, 'receipt', z.receipt,
      'decline_reason', z.decline_reason, 'balance', z.balance::text) FROM authorizations z
    WHERE z.processor_authorization_id = r.processor_authorization_id AND z.vendor = r.vendor
      AND z.organization_id IS NOT DISTINCT FROM route.organization_id) AS known_authorization,
  EXISTS (SELECT 1 FROM card_messages v WHERE v.processor_authorization_id = r.processor_authorization_id
    AND v.authorization_id IS NULL AND v.kind IN ('reversal', 'clearing') AND v.organization_id = route.organization_id AND v.vendor = r.vendor
    AND coalesce(v.answer ->> 'reversed_message_id', r.message_id) = r.message_id)
    AS ended_before
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
  WITH ORDINALITY AS r(vendor, card_token, message_id, processor_authorization_id, ordinal)
LEFT JOIN card_routes route ON route.vendor = r.vendor AND route.card_token = r.card_token
LEFT JOIN (accounts a ${ACCOUNT_JOINS}) ON a.organization_id = route.organization_id AND a.id = route.account_id
LEFT JOIN cards c ON c.organization_id = route.organization_id AND c.id = route.card_id`;

const ACCOUNT_SNAPSHOT_SQL = `
SELECT ${ACCOUNT_COLUMNS}, ${MARKET_JSON} AS market
FROM accounts a ${ACCOUNT_JOINS}
LEFT JOIN cards c ON c.organization_id = a.organization_id AND c.account_id = a.id AND c.id = ?::uuid
WHERE a.organization_id = ?::uuid AND a.id = ?::uuid`;

const POLICIES_SQL = `
SELECT q.organization_id, q.program_id, q.version, q.document FROM program_policies q
JOIN unnest($1::uuid[], $2::uuid[], $3::int[]) AS w(organization_id, program_id, version)
  ON q.organization_id = w.organization_id AND q.program_id = w.program_id AND q.version = w.version`;

type PriceJson = [string, string, string, string, number, boolean, number];
type ReserveJson = [string, string, string, string];

interface MarketJson {
  readonly prices: readonly PriceJson[];
  readonly reserves: readonly ReserveJson[];
  readonly decimals: Readonly<Record<string, number>>;
  readonly usage: Readonly<Record<string, StoredProgramUsage>>;
}

interface AccountRow {
  readonly organization_id: string | null;
  readonly account_id: string;
  readonly account_version: string;
  readonly program_id: string;
  readonly cardholder_id: string;
  readonly account_state: SpendSnapshot['accountState'];
  readonly overdue_amount: string;
  readonly time_zone: string;
  readonly funding_policy: StoredFundingPolicy;
  readonly debt_shares: string;
  readonly loan_hold: string;
  readonly loan_unconfirmed: string;
  readonly delegation_left: string;
  readonly agreement_accepted: boolean;
  readonly program_state: SpendSnapshot['programState'];
  readonly currency: string;
  readonly policy_version: number;
  readonly program_version: string;
  readonly spread_factor_ray: string;
  readonly kyc_state: string;
  readonly card_id: string | null;
  readonly card_state: string;
  readonly expiry_month: number | null;
  readonly expiry_year: number | null;
  readonly controls: SpendControls;
  readonly pending_controls: PendingControls | null;
  readonly product_state: 'active' | 'disabled' | null;
  readonly account_controls: SpendControls;
  readonly account_pending_controls: PendingControls | null;
  readonly spend_counters: StoredLimitCounters | null;
  readonly balances: readonly [string, string, string][] | null;
  readonly card_counters: StoredLimitCounters | null;
}

interface BatchRow extends AccountRow {
  readonly ordinal: number;
  readonly known_message: { readonly content_hash: string; readonly answer: StoredAnswer } | null;
  readonly ended_before: boolean;
  readonly known_authorization: {
    readonly id: string;
    readonly message_id: string | null;
    readonly content_hash: string | null;
    readonly receipt: string;
    readonly decline_reason: DeclineReason | null;
    readonly balance: string | null;
  } | null;
}

/** A message that was answered. */
export interface KnownMessage {
  readonly contentHash: string;
  readonly answer: StoredAnswer;
  /** Whether it has a row of its own: its purchase did not begin with it, or was taken back since. */
  readonly apart: boolean;
}

export interface BatchSnapshotKey {
  readonly vendor: string;
  readonly cardToken: string;
  readonly messageId: string;
  readonly processorAuthorizationId: string;
}

export type BatchSnapshot =
  | { readonly kind: 'unknown_card' }
  | {
      readonly kind: 'found';
      readonly state: AccountState;
      readonly card: CardSnapshot;
      readonly knownMessage: KnownMessage | null;
      /** The network took the purchase back, or cleared it, before it asked for it: nothing may be held. */
      readonly endedBefore: boolean;
      /** The purchase is known: what is asked now changes it. */
      readonly knownAuthorizationId: string | null;
    };

/** An account without its cards and without what it shares with others. Valid as long as its two versions are. */
export interface AccountState {
  readonly programVersion: bigint;
  readonly spreadFactorRay: bigint;
  readonly credit: Omit<SpendSnapshot['credit'], 'programIndexRay' | 'availableLiquidity'>;
  readonly account: Omit<
    SpendSnapshot,
    'prices' | 'decimals' | 'credit' | 'card' | 'programUsage' | 'increment' | 'begunAt' | keyof MovingState
  >;
  /** What every purchase changes, apart from what none does: an account in memory changes by this alone. */
  readonly moving: MovingState;
}

type MovingState = Pick<SpendSnapshot, 'accountVersion' | 'funds' | 'accountCounters'>;

/** Policy documents are immutable per version, so they are kept once read. */
const policies = new Map<string, ProgramPolicy>();
const POLICIES_KEPT_MAX = 10_000;

function policyKey(row: Pick<AccountRow, 'organization_id' | 'program_id' | 'policy_version'>): string {
  return `${row.organization_id}:${row.program_id}:${row.policy_version}`;
}

type QueryRows = (
  sql: string,
  values: readonly unknown[],
) => Promise<readonly { organization_id: string; program_id: string; version: number; document: ProgramPolicy }[]>;

async function loadPolicies(rows: readonly AccountRow[], query: QueryRows): Promise<void> {
  const missing = new Map<string, AccountRow>();
  for (const row of rows) {
    if (row.organization_id === null) continue;
    const key = policyKey(row);
    if (!policies.has(key)) missing.set(key, row);
  }
  if (missing.size === 0) return;
  if (policies.size + missing.size > POLICIES_KEPT_MAX) policies.clear();
  const wanted = [...missing.values()];
  const found = await query(POLICIES_SQL, [
    wanted.map((row) => row.organization_id),
    wanted.map((row) => row.program_id),
    wanted.map((row) => row.policy_version),
  ]);
  for (const row of found) policies.set(`${row.organization_id}:${row.program_id}:${row.version}`, row.document);
}

/** What decisions of many accounts share, as read at one moment. */
export interface Market extends MarketSnapshot {
  readonly reserves: Readonly<Record<string, { readonly indexRay: bigint; readonly liquidity: bigint }>>;
  readonly usage: Readonly<Record<string, StoredProgramUsage>>;
}

function toMarket(json: MarketJson): Market {
  const prices: Record<string, AssetPrice> = {};
  for (const [asset, priceUsdE8, feed, roundId, heartbeatSeconds, disputed, observedAtMs] of json.prices) {
    prices[asset] = {
      asset,
      priceUsdE8: BigInt(priceUsdE8),
      feed,
      roundId: BigInt(roundId),
      heartbeatSeconds,
      disputed,
      observedAt: new Date(observedAtMs),
    };
  }
  const reserves: Record<string, { indexRay: bigint; liquidity: bigint }> = {};
  for (const [venue, asset, index, liquidity] of json.reserves) {
    reserves[`${venue}:${asset}`] = { indexRay: BigInt(index), liquidity: BigInt(liquidity) };
  }
  return { prices, decimals: json.decimals, reserves, usage: json.usage };
}

function toAccountState(row: AccountRow): AccountState {
  const funds: Record<string, bigint> = {};
  const collateral: Record<string, bigint> = {};
  for (const [type, asset, free] of row.balances ?? []) {
    (type === 'cardholder.funds' ? funds : collateral)[asset] = BigInt(free);
  }
  return {
    programVersion: BigInt(row.program_version),
    spreadFactorRay: BigInt(row.spread_factor_ray),
    credit: {
      agreementAccepted: row.agreement_accepted,
      debtShares: BigInt(row.debt_shares),
      loanHold: BigInt(row.loan_hold),
      loanUnconfirmed: BigInt(row.loan_unconfirmed),
      delegationLeft: BigInt(row.delegation_left),
    },
    account: {
      organizationId: required(row.organization_id, 'organization'),
      accountId: row.account_id,
      programId: row.program_id,
      cardholderId: row.cardholder_id,
      programState: row.program_state,
      currency: row.currency,
      policyVersion: row.policy_version,
      policy: required(policies.get(policyKey(row)), `policy ${policyKey(row)}`),
      kycState: row.kyc_state,
      accountState: row.account_state,
      overdueAmount: BigInt(row.overdue_amount),
      timeZone: row.time_zone,
      fundingPolicy: fundingPolicyFromStored(row.funding_policy),
      collateral,
      accountControls: row.account_controls,
      accountPendingControls: row.account_pending_controls,
    },
    moving: { accountVersion: BigInt(row.account_version), funds, accountCounters: row.spend_counters },
  };
}

function toCard(row: AccountRow): CardSnapshot | null {
  if (row.card_id === null) return null;
  return {
    id: row.card_id,
    state: row.card_state,
    expiryMonth: row.expiry_month,
    expiryYear: row.expiry_year,
    productState: row.product_state,
    controls: row.controls,
    pendingControls: row.pending_controls,
    counters: row.card_counters,
  };
}

/**
 * What a decision looks at: an account, one of its cards, and the market as it stands. `programUsage` is what its program has spent,
 * where that is better known than the market has it.
 */
export function snapshotOf(
  state: AccountState,
  card: CardSnapshot | null,
  market: Market,
  programUsage = usageOf(state, market),
): SpendSnapshot {
  const { account, moving, spreadFactorRay } = state;
  const { venue, borrow_asset: borrowAsset } = account.policy.credit;
  const reserve = market.reserves[`${venue}:${borrowAsset}`];
  const { agreementAccepted, debtShares, loanHold, loanUnconfirmed, delegationLeft } = state.credit;
  // Field by field: an object that a spread is added to changes its shape with every field, which cost more than deciding.
  return {
    organizationId: account.organizationId,
    accountId: account.accountId,
    accountVersion: moving.accountVersion,
    programId: account.programId,
    cardholderId: account.cardholderId,
    programState: account.programState,
    currency: account.currency,
    policyVersion: account.policyVersion,
    policy: account.policy,
    kycState: account.kycState,
    accountState: account.accountState,
    overdueAmount: account.overdueAmount,
    timeZone: account.timeZone,
    fundingPolicy: account.fundingPolicy,
    funds: moving.funds,
    collateral: account.collateral,
    accountControls: account.accountControls,
    accountPendingControls: account.accountPendingControls,
    accountCounters: moving.accountCounters,
    credit: {
      agreementAccepted,
      debtShares,
      loanHold,
      loanUnconfirmed,
      delegationLeft,
      programIndexRay: reserve ? divideRoundUp(reserve.indexRay * spreadFactorRay, RAY) : null,
      availableLiquidity: reserve?.liquidity ?? 0n,
    },
    card,
    programUsage,
    prices: market.prices,
    decimals: market.decimals,
  };
}

/** What the account's program has spent. Where that was not summed for each of its caps, it is unknown, and they refuse. */
function usageOf({ account: { programId, policy } }: AccountState, { usage }: Market): StoredProgramUsage | null {
  const summed = usage[programId] ?? null;
  const { program_limits: caps } = policy;
  return caps === undefined || answersCaps(summed, caps) ? summed : unknownUsage(caps, new Date());
}

/** Prices, reserves and program spending as they stand. Runs as the hot path's own role. */
export async function loadMarket(client: Pool | PoolClient): Promise<Market> {
  const { rows } = await client.query<{ market: MarketJson }>({ name: 'authorization-market', text: MARKET_SQL });
  return toMarket(required(rows[0], 'the market').market);
}

/** The first message of an authorization with its answer; null where it has none of its own. Runs as the hot path's own role. */
export async function loadFirstMessage(
  client: Pool | PoolClient,
  { organizationId, authorizationId }: { readonly organizationId: string; readonly authorizationId: string },
): Promise<KnownMessage | null> {
  const { rows } = await client.query<NonNullable<BatchRow['known_authorization']>>({
    name: 'authorization-first-message',
    text: `SELECT id, message_id, content_hash, receipt, decline_reason, balance::text AS balance FROM authorizations
      WHERE organization_id = $1 AND id = $2`,
    values: [organizationId, authorizationId],
  });
  const [known] = rows;
  return known === undefined || known.content_hash === null
    ? null
    : { contentHash: known.content_hash, answer: firstAnswer(known), apart: false };
}

/** The answer of an authorization's own first message. */
function firstAnswer(known: NonNullable<BatchRow['known_authorization']>): StoredAnswer {
  const { outcome } = JSON.parse(known.receipt) as Receipt;
  const declined = known.decline_reason !== null;
  return {
    outcome: declined ? 'declined' : outcome.result,
    approved_amount: declined ? '0' : outcome.approved,
    decline_reason: known.decline_reason,
    balance: known.balance,
    authorization_id: known.id,
  };
}

function knownMessageOf(row: BatchRow, messageId: string): KnownMessage | null {
  const { known_message: message, known_authorization: authorization } = row;
  if (message) return { contentHash: message.content_hash, answer: message.answer, apart: true };
  if (authorization?.message_id !== messageId || authorization.content_hash === null) return null;
  return { contentHash: authorization.content_hash, answer: firstAnswer(authorization), apart: false };
}

/** Snapshots of a whole batch in one statement, in the order of `keys`. Runs as the hot path's own role. */
export async function loadBatchSnapshots(
  client: Pool | PoolClient,
  keys: readonly BatchSnapshotKey[],
): Promise<readonly BatchSnapshot[]> {
  const { rows } = await client.query<BatchRow>({
    name: 'authorization-snapshots',
    text: BATCH_SNAPSHOT_SQL,
    values: [
      keys.map((key) => key.vendor),
      keys.map((key) => key.cardToken),
      keys.map((key) => key.messageId),
      keys.map((key) => key.processorAuthorizationId),
    ],
  });
  await loadPolicies(rows, async (text, values) => {
    const result = await client.query({ name: 'program-policies', text, values: [...values] });
    return result.rows;
  });
  const snapshots: BatchSnapshot[] = new Array(keys.length);
  for (const row of rows) {
    const card = row.organization_id === null ? null : toCard(row);
    snapshots[row.ordinal - 1] =
      card === null
        ? { kind: 'unknown_card' }
        : {
            kind: 'found',
            state: toAccountState(row),
            card,
            knownMessage: knownMessageOf(row, keys[row.ordinal - 1]?.messageId ?? ''),
            endedBefore: row.ended_before,
            knownAuthorizationId: row.known_authorization?.id ?? null,
          };
  }
  return snapshots;
}

/**
 * The same snapshot for one account (and one of its cards), read inside an organization's transaction: for quotes and for
 * the part of a clearing above its hold. Null when the account does not exist, or the card is not one of its own.
 */
export async function loadSpendSnapshot(
  trx: Transaction,
  organizationId: string,
  accountId: string,
  cardId: string | null = null,
): Promise<SpendSnapshot | null> {
  const result = await trx.raw<{ rows: (AccountRow & { readonly market: MarketJson })[] }>(ACCOUNT_SNAPSHOT_SQL, [
    cardId,
    organizationId,
    accountId,
  ]);
  const row = result.rows[0];
  if (!row || (cardId !== null && row.card_id === null)) return null;
  await loadPolicies(result.rows, async (text, values) => {
    const numbered = text.replaceAll(/\$\d/g, '?');
    const found = await trx.raw(numbered, values as never);
    return found.rows;
  });
  return snapshotOf(toAccountState(row), toCard(row), toMarket(row.market));
}
