import type { Knex } from 'knex';
import type { AssetPrice } from '../credit/rules/price-state';
import type { Transaction } from '../database/transaction';
import type { ProgramPolicy } from '../programs/rules/program-policy';
import type { Asset, AssetKind } from '../shared/money';

interface PriceRow {
  readonly asset: string;
  readonly price_usd_e8: bigint;
  readonly feed: string;
  readonly round_id: bigint;
  readonly heartbeat_seconds: number;
  readonly disputed: boolean;
  readonly observed_at: Date;
}

/** What the lending venue says of one borrowed asset. */
export interface VenueReserve {
  readonly borrowIndexRay: bigint;
  readonly borrowRateRay: bigint;
  readonly availableLiquidity: bigint;
  readonly blockNumber: bigint;
  readonly observedAt: Date;
}

export async function readPrices(trx: Knex | Transaction): Promise<Readonly<Record<string, AssetPrice>>> {
  const rows: PriceRow[] = await trx('asset_prices').select('*');
  return Object.fromEntries(
    rows.map((row) => [
      row.asset,
      {
        asset: row.asset,
        priceUsdE8: row.price_usd_e8,
        feed: row.feed,
        roundId: row.round_id,
        heartbeatSeconds: row.heartbeat_seconds,
        disputed: row.disputed,
        observedAt: row.observed_at,
      },
    ]),
  );
}

export async function readAssets(trx: Knex | Transaction): Promise<Readonly<Record<string, Asset>>> {
  const rows: { code: string; decimals: number; kind: AssetKind }[] = await trx('assets').select('*');
  return Object.fromEntries(rows.map((row) => [row.code, row]));
}

export async function readReserve(trx: Knex | Transaction, venue: string, asset: string): Promise<VenueReserve | null> {
  const row = await trx('venue_reserves').where({ venue, asset }).first();
  if (row === undefined) return null;
  return {
    borrowIndexRay: row.borrow_index_ray,
    borrowRateRay: row.borrow_rate_ray,
    availableLiquidity: row.available_liquidity,
    blockNumber: row.block_number,
    observedAt: row.observed_at,
  };
}

export interface ObservedPrice {
  readonly asset: string;
  readonly feed: string;
  readonly roundId: bigint;
  readonly priceUsdE8: bigint;
  readonly heartbeatSeconds: number;
  readonly observedAt: Date;
}

/** Stores the round and makes it the newest price, unless a newer one of the feed stands there already. */
export async function savePrice(knex: Knex, price: ObservedPrice): Promise<void> {
  await knex('price_rounds')
    .insert({
      asset: price.asset,
      feed: price.feed,
      round_id: price.roundId.toString(),
      price_usd_e8: price.priceUsdE8.toString(),
      observed_at: price.observedAt,
    })
    .onConflict(['asset', 'feed', 'round_id'])
    .ignore();
  await knex.raw(
    `INSERT INTO asset_prices (asset, price_usd_e8, feed, round_id, heartbeat_seconds, observed_at, received_at)
     VALUES (?, ?, ?, ?, ?, ?, now())
     ON CONFLICT (asset) DO UPDATE SET
       price_usd_e8 = excluded.price_usd_e8, feed = excluded.feed, round_id = excluded.round_id,
       heartbeat_seconds = excluded.heartbeat_seconds, observed_at = excluded.observed_at, received_at = now()
     WHERE asset_prices.feed <> excluded.feed OR asset_prices.round_id <= excluded.round_id`,
    [
      price.asset,
      price.priceUsdE8.toString(),
      price.feed,
      price.roundId.toString(),
      price.heartbeatSeconds,
      price.observedAt,
    ],
  );
}

export async function saveReserve(knex: Knex, venue: string, asset: string, reserve: VenueReserve): Promise<void> {
  await knex.raw(
    `INSERT INTO venue_reserves
       (venue, asset, borrow_index_ray, borrow_rate_ray, available_liquidity, block_number, observed_at)
     VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (venue, asset) DO UPDATE SET
       borrow_index_ray = excluded.borrow_index_ray, borrow_rate_ray = excluded.borrow_rate_ray,
       available_liquidity = excluded.available_liquidity, block_number = excluded.block_number,
       observed_at = excluded.observed_at`,
    [
      venue,
      asset,
      reserve.borrowIndexRay.toString(),
      reserve.borrowRateRay.toString(),
      reserve.availableLiquidity.toString(),
      reserve.blockNumber.toString(),
      reserve.observedAt,
    ],
  );
}

export async function saveToken(knex: Knex, asset: string, chainId: number, address: string): Promise<void> {
  await knex('asset_tokens')
    .insert({ asset, chain_id: chainId, address })
    .onConflict(['asset', 'chain_id'])
    .merge({ address });
}

export interface ProgramSpread {
  readonly organizationId: string;
  readonly programId: string;
  readonly borrowAsset: string;
  readonly spreadBps: number;
  readonly spreadFactorRay: bigint;
  readonly spreadFactorAt: Date;
}

/** Spread factors of all programs of all organizations (needs the worker's role), or of one. */
export async function programSpreads(knex: Knex | Transaction, programId?: string): Promise<ProgramSpread[]> {
  const result: {
    rows: {
      organization_id: string;
      id: string;
      spread_factor_ray: bigint;
      spread_factor_at: Date;
      credit: ProgramPolicy['credit'];
    }[];
  } = await knex.raw(
    `SELECT p.organization_id, p.id, p.spread_factor_ray, p.spread_factor_at, v.document->'credit' AS credit
       FROM programs p
       JOIN program_policies v
         ON v.organization_id = p.organization_id AND v.program_id = p.id AND v.version = p.policy_version
      WHERE (?::uuid IS NULL OR p.id = ?::uuid)`,
    [programId ?? null, programId ?? null],
  );
  return result.rows.map((row) => ({
    organizationId: row.organization_id,
    programId: row.id,
    borrowAsset: row.credit.borrow_asset,
    spreadBps: row.credit.spread_bps,
    spreadFactorRay: row.spread_factor_ray,
    spreadFactorAt: row.spread_factor_at,
  }));
}

/** Stores a grown factor, unless someone else grew it meanwhile (told by the factor: a Date is coarser than the column). */
export async function saveSpreadFactor(knex: Knex, spread: ProgramSpread, factorRay: bigint, at: Date): Promise<void> {
  await knex('programs')
    .where({
      organization_id: spread.organizationId,
      id: spread.programId,
      spread_factor_ray: spread.spreadFactorRay.toString(),
    })
    .update({ spread_factor_ray: factorRay.toString(), spread_factor_at: at });
}
