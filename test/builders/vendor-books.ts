import { z } from 'zod';
import type { Stack } from '../../embedded/stack';

const offRampBook = z.looseObject({
  transfers: z.array(
    z.looseObject({
      client_reference_id: z.string().nullable(),
      state: z.string(),
      amount: z.string(),
      received: z.string(),
      paid_usd: z.string().nullable(),
    }),
  ),
  unmatched_deposits: z.array(z.unknown()),
});

const cardNetworkBook = z.looseObject({ totals: z.looseObject({ hold_amount: z.number(), net_amount: z.number() }) });

async function bookOf<T>(shape: z.ZodType<T>, url: string): Promise<T> {
  const response = await fetch(`${url}/sim/book`, { signal: AbortSignal.timeout(10_000) });
  return shape.parse(await response.json());
}

/** What the off-ramp itself says it was ordered, sent and has paid. */
export const readOffRampBook = ({ surroundings }: Stack) =>
  bookOf(offRampBook, surroundings.simulators['off-ramp-vendor'].url);

/** What the card network itself says is held and owed, cents. */
export const readCardNetworkBook = ({ surroundings }: Stack) =>
  bookOf(cardNetworkBook, surroundings.simulators['card-network'].url);
