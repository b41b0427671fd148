import type { Knex } from 'knex';
import type { ChainReader, LendingVenue } from '../chain/port';
import { grownSpreadFactorRoundUp } from '../credit/rules/interest';
import { programSpreads, saveReserve, saveSpreadFactor } from './price.repository';

export interface WatchReservesDeps {
  /** Pool of the role `worker`. */
  readonly workerKnex: Knex;
  readonly reader: ChainReader;
  readonly venue: LendingVenue;
}

/** How far a spread factor may lag behind: what decisions read is then short of its interest for that long. */
const SPREAD_GRAIN_SECONDS = 60n;

/** Seconds from one instant to another, rounded down; negative when time ran backwards. */
export function secondsBetween(from: Date, to: Date): bigint {
  return BigInt(Math.floor((to.getTime() - from.getTime()) / 1000));
}

/**
 * Reads index, rate and liquidity of every borrowed asset at one block, and grows the spread factors of programs to that block's time:
 * both parts of what a share owes then move by the same clock, the chain's.
 */
export async function watchReserves(deps: WatchReservesDeps): Promise<{ readonly assets: readonly string[] }> {
  const { workerKnex, reader, venue } = deps;
  const spreads = await programSpreads(workerKnex);
  const assets = [...new Set(spreads.map((spread) => spread.borrowAsset))];
  const head = await reader.head();
  for (const asset of assets) {
    const [borrowIndexRay, availableLiquidity, borrowRateRay] = await Promise.all([
      venue.borrowIndexRay(asset, head.number),
      venue.availableLiquidity(asset, head.number),
      venue.borrowRateRay(asset),
    ]);
    await saveReserve(workerKnex, venue.venue, asset, {
      borrowIndexRay,
      borrowRateRay,
      availableLiquidity,
      blockNumber: head.number,
      observedAt: head.timestamp,
    });
  }
  for (const spread of spreads) {
    const seconds = secondsBetween(spread.spreadFactorAt, head.timestamp);
    if (seconds < SPREAD_GRAIN_SECONDS) continue;
    const factor = grownSpreadFactorRoundUp(spread.spreadFactorRay, spread.spreadBps, seconds);
    await saveSpreadFactor(workerKnex, spread, factor, head.timestamp);
  }
  return { assets };
}
