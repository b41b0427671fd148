import { type Journey, type Move, PAR, PLAIN, type Place, type Step } from './model-journey';
import type { Happening } from './model-spending';

const PUMP: Place = { category: 'pump', foreign: false, cash: 'none' };
const CASH_ABROAD: Place = { category: 'grocer', foreign: true, cash: 'machine' };
const ABROAD_AND_CASH = { foreignBps: 275n, cashFixed: 250n, cashBps: 150n, till: false };
const FUNDED_AT_ONCE = { ...PLAIN, atOnce: true };

/** Everything on the first account, one after the other. */
function steps(...happenings: readonly Happening[]): readonly Step[] {
  return happenings.map((what): Step => ({ kind: 'one', move: { account: 0, what } satisfies Move }));
}

function journey(tokens: bigint, lived: readonly Step[], overrides: Partial<Journey> = {}): Journey {
  const owns = [tokens, 0n].map((each) => ({ tokens: [each, 0n], pledged: 0n }));
  return { owns, terms: PLAIN, market: PAR, limit: null, steps: lived, ...overrides };
}

/** Journeys that once went wrong. */
export const KNOWN_JOURNEYS: readonly Journey[] = [
  // A purchase that ran out, was opened again by the network and ran out again.
  journey(
    100_000_000n,
    steps(
      { kind: 'authorization', purchase: 0, cents: 1_000n, partial: false },
      { kind: 'expiry', purchase: 0, by: 'us' },
      { kind: 'advice', purchase: 0, cents: 2_000n },
      { kind: 'expiry', purchase: 0, by: 'us' },
    ),
  ),
  // A price fell further than the buffer: the tokens of a leg were used up before its cents, and another leg held on.
  journey(
    0n,
    [
      ...steps({ kind: 'authorization', purchase: 0, cents: 10_000n, partial: false }),
      { kind: 'prices', market: { ...PAR, coins: [97_000_000n, 100_000_000n] } },
      ...steps(
        { kind: 'clearing', purchase: 0, cents: 6_000n, final: false },
        { kind: 'reversal', purchase: 0, cents: 4_000n },
      ),
    ],
    {
      owns: [
        { tokens: [60_000_000n, 100_000_000n], pledged: 0n },
        { tokens: [0n, 0n], pledged: 0n },
      ],
    },
  ),
  // A refund came before its purchase was known, and was taken back afterwards.
  journey(
    100_000_000n,
    steps(
      { kind: 'refund', purchase: 0, cents: 1_000n },
      { kind: 'authorization', purchase: 0, cents: 2_000n, partial: false },
      { kind: 'refund_reversal', purchase: 0, cents: 1_000n },
    ),
  ),
  // A fee abroad: refunded before it cleared, cleared on, and of several refunds now one and now the other was taken back.
  journey(
    100_000_000n,
    steps(
      { kind: 'refund', purchase: 0, cents: 1_000n },
      { kind: 'clearing', purchase: 0, cents: 1_000n, final: false },
      { kind: 'refund_reversal', purchase: 0, cents: 400n },
      { kind: 'clearing', purchase: 0, cents: 2_000n, final: true },
      { kind: 'refund', purchase: 0, cents: 2_000n },
      { kind: 'refund', purchase: 0, cents: 400n },
      { kind: 'refund_reversal', purchase: 0, cents: 400n },
      { kind: 'refund_reversal', purchase: 0, cents: 2_000n },
      { kind: 'refund', purchase: 0, cents: 2_400n },
    ),
    { terms: { ...PLAIN, fees: ABROAD_AND_CASH, places: [CASH_ABROAD, CASH_ABROAD, CASH_ABROAD, CASH_ABROAD] } },
  ),
  // A pump asked for a dollar, and all that is held for it was sold for at once.
  journey(
    300_000_000n,
    steps(
      { kind: 'authorization', purchase: 0, cents: 100n, partial: false },
      { kind: 'look', purchase: 0 },
      { kind: 'advice', purchase: 0, cents: 6_000n },
      { kind: 'look', purchase: 0 },
      { kind: 'clearing', purchase: 0, cents: 6_000n, final: true },
    ),
    { terms: { ...FUNDED_AT_ONCE, places: [PUMP, PUMP, PUMP, PUMP] } },
  ),
  // Cleared before it was told of: the total has in it what was cleared, and counted, already.
  journey(
    100_000_000n,
    steps(
      { kind: 'clearing', purchase: 0, cents: 1_000n, final: false },
      { kind: 'advice', purchase: 0, cents: 1_000n },
      { kind: 'advice', purchase: 0, cents: 3_000n },
      { kind: 'reversal', purchase: 0, cents: 500n },
      { kind: 'clearing', purchase: 0, cents: 1_500n, final: true },
      { kind: 'refund', purchase: 0, cents: 2_500n },
    ),
  ),
  // Cleared, then asked for (too late) and told of.
  journey(
    100_000_000n,
    steps(
      { kind: 'clearing', purchase: 0, cents: 1_000n, final: true },
      { kind: 'authorization', purchase: 0, cents: 1_000n, partial: false },
      { kind: 'increment', purchase: 0, cents: 700n, basis: 'delta' },
      { kind: 'advice', purchase: 0, cents: 2_500n },
      { kind: 'reversal', purchase: 0, cents: 1_500n },
    ),
  ),
  // More was asked for a purchase that was over, and only what was told opened it.
  journey(
    100_000_000n,
    steps(
      { kind: 'authorization', purchase: 0, cents: 1_000n, partial: false },
      { kind: 'reversal', purchase: 0, cents: 1_000n },
      { kind: 'increment', purchase: 0, cents: 500n, basis: 'delta' },
      { kind: 'advice', purchase: 0, cents: 700n },
      { kind: 'increment', purchase: 0, cents: 500n, basis: 'delta' },
      { kind: 'clearing', purchase: 0, cents: 1_200n, final: true },
      { kind: 'advice', purchase: 0, cents: 1_500n },
    ),
  ),
  // A pump told less than its dollar, then more than was held for that.
  journey(
    300_000_000n,
    steps(
      { kind: 'authorization', purchase: 0, cents: 100n, partial: false },
      { kind: 'advice', purchase: 0, cents: 60n },
      { kind: 'advice', purchase: 0, cents: 20_000n },
      { kind: 'clearing', purchase: 0, cents: 20_000n, final: true },
      { kind: 'authorization', purchase: 2, cents: 100n, partial: false },
      { kind: 'advice', purchase: 2, cents: 100n },
    ),
    { terms: { ...PLAIN, fees: ABROAD_AND_CASH, places: [PUMP, PUMP, PUMP, PUMP] } },
  ),
  // More was told than the account had, and then less.
  journey(
    100_000_000n,
    steps(
      { kind: 'authorization', purchase: 0, cents: 5_000n, partial: false },
      { kind: 'advice', purchase: 0, cents: 15_000n },
      { kind: 'reversal', purchase: 0, cents: 4_000n },
      { kind: 'advice', purchase: 0, cents: 9_000n },
      { kind: 'clearing', purchase: 0, cents: 9_000n, final: true },
    ),
  ),
];
