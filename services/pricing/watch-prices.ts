import type { Knex } from 'knex';
import type { ChainDeployment, ChainReader } from '../chain/port';
import { savePrice, saveToken } from './price.repository';

export interface WatchPricesDeps {
  /** Pool of the role `worker`: prices belong to no organization. */
  readonly workerKnex: Knex;
  readonly reader: ChainReader;
  readonly deployment: Pick<ChainDeployment, 'chainId' | 'feeds' | 'tokens'>;
  /** Seconds after which a feed's answer counts as old, by asset code; the feed's own heartbeat as published. */
  readonly heartbeats: Readonly<Record<string, number>>;
  readonly defaultHeartbeatSeconds: number;
}

/** Which assets were read, and which feeds gave no usable answer. */
export interface PriceWatch {
  readonly observed: readonly string[];
  readonly failed: readonly { readonly asset: string; readonly detail: string }[];
}

/** Makes the chain's tokens known as assets on that chain. */
export async function registerTokens(deps: Pick<WatchPricesDeps, 'workerKnex' | 'deployment'>): Promise<void> {
  for (const [asset, token] of Object.entries(deps.deployment.tokens)) {
    await saveToken(deps.workerKnex, asset, deps.deployment.chainId, token.address);
  }
}

/**
 * One look at every feed. A feed that can't be read or answers nothing positive keeps its last price, which then ages: its state
 * narrows what may be borrowed, it never fails the others.
 */
export async function watchPrices(deps: WatchPricesDeps): Promise<PriceWatch> {
  const observed: string[] = [];
  const failed: { asset: string; detail: string }[] = [];
  for (const [asset, feed] of Object.entries(deps.deployment.feeds)) {
    try {
      const round = await deps.reader.feedRound(feed);
      if (round.answer <= 0n) {
        failed.push({ asset, detail: `feed ${feed} answers ${round.answer}` });
        continue;
      }
      await savePrice(deps.workerKnex, {
        asset,
        feed,
        roundId: round.roundId,
        priceUsdE8: round.answer,
        heartbeatSeconds: deps.heartbeats[asset] ?? deps.defaultHeartbeatSeconds,
        observedAt: round.updatedAt,
      });
      observed.push(asset);
    } catch (error) {
      failed.push({ asset, detail: error instanceof Error ? error.message : String(error) });
    }
  }
  return { observed, failed };
}
