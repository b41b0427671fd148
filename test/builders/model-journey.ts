import * as fc from 'fast-check';
import { COINS, type Happening } from './model-spending';

/** Purchases that a journey can speak of; the odd ones belong to the second account. */
export const PURCHASES = 4;
export const ACCOUNTS = 2;

export function accountOf(purchase: number): number {
  return purchase % ACCOUNTS;
}

/** Purchases 2 and 3 are at restaurants, whose holds carry an allowance. */
export function atRestaurant(purchase: number): boolean {
  return purchase >= 2;
}

/** One thing that happens, on one account. */
export interface Move {
  readonly account: number;
  readonly what: Happening;
}

/**
 * One step of a journey. `together`: both at the same moment, over two authorizers. `twice`: one message that comes two times
 * at the same moment. `again`: an earlier message comes once more, as it was. `changed`: an earlier message's id with other
 * content. `policy`: the program changes its limit.
 */
export type Step =
  | { readonly kind: 'one'; readonly move: Move }
  | { readonly kind: 'together'; readonly moves: readonly [Move, Move] }
  | { readonly kind: 'twice'; readonly move: Move }
  | { readonly kind: 'again'; readonly nth: number }
  | { readonly kind: 'changed'; readonly nth: number }
  | { readonly kind: 'policy'; readonly limit: bigint | null };

export interface Journey {
  /** What each account has of each coin to begin with, millionths of a dollar. */
  readonly tokens: readonly (readonly bigint[])[];
  readonly limit: bigint | null;
  readonly steps: readonly Step[];
}

/** The first ones most: what happens to one purchase is of interest, and others stand beside it. */
const purchase = fc.oneof(
  { weight: 5, arbitrary: fc.constant(0) },
  { weight: 4, arbitrary: fc.constant(2) },
  { weight: 2, arbitrary: fc.nat({ max: PURCHASES - 1 }) },
);
/** Mostly of one size, so that sums meet each other; sometimes odd, sometimes large. */
const cents = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(100n, 1_000n, 2_000n) },
  { weight: 4, arbitrary: fc.bigInt({ min: 1n, max: 5_000n }) },
  { weight: 1, arbitrary: fc.bigInt({ min: 1n, max: 200_000n }) },
);
/** Mostly more than later messages take from it. */
const asked = fc.oneof(
  { weight: 3, arbitrary: fc.bigInt({ min: 3_000n, max: 12_000n }) },
  { weight: 1, arbitrary: cents },
);
const tokens = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom(0n, 100_000_000n) },
  { weight: 4, arbitrary: fc.bigInt({ min: 0n, max: 1_000_000_000n }) },
);
const purse = fc.tuple(tokens, fc.oneof(fc.constant(0n), tokens));
const limit = fc.oneof(fc.constant(null), fc.constantFrom(10_000n, 20_000n, 40_000n));

const onPurchase = (what: fc.Arbitrary<Happening & { readonly purchase: number }>): fc.Arbitrary<Move> =>
  what.map((happening) => ({ account: accountOf(happening.purchase), what: happening }));
const onAccount = (what: fc.Arbitrary<Happening>): fc.Arbitrary<Move> =>
  fc.record({ account: fc.nat({ max: ACCOUNTS - 1 }), what });

const authorization = onPurchase(
  fc.record({ kind: fc.constant('authorization'), purchase, cents: asked, partial: fc.boolean() }),
);
const message: fc.Arbitrary<Move> = fc.oneof(
  { weight: 5, arbitrary: authorization },
  {
    weight: 4,
    arbitrary: onPurchase(
      fc.record({ kind: fc.constant('increment'), purchase, cents, basis: fc.constantFrom('total', 'delta') }),
    ),
  },
  { weight: 4, arbitrary: onPurchase(fc.record({ kind: fc.constant('advice'), purchase, cents: asked })) },
  {
    weight: 8,
    arbitrary: onPurchase(fc.record({ kind: fc.constant('clearing'), purchase, cents, final: fc.boolean() })),
  },
  { weight: 6, arbitrary: onPurchase(fc.record({ kind: fc.constant('reversal'), purchase, cents })) },
  {
    weight: 2,
    arbitrary: onPurchase(fc.record({ kind: fc.constant('expiry'), purchase, by: fc.constantFrom('network', 'us') })),
  },
  { weight: 3, arbitrary: onPurchase(fc.record({ kind: fc.constant('refund'), purchase, cents })) },
  { weight: 1, arbitrary: onPurchase(fc.record({ kind: fc.constant('late'), purchase, cents })) },
  { weight: 1, arbitrary: onPurchase(fc.record({ kind: fc.constant('unheard'), purchase })) },
  { weight: 1, arbitrary: onAccount(fc.record({ kind: fc.constant('refund'), purchase: fc.constant(null), cents })) },
  { weight: 1, arbitrary: onAccount(fc.record({ kind: fc.constant('refund_reversal'), cents })) },
  { weight: 1, arbitrary: onAccount(fc.record({ kind: fc.constantFrom('inquiry', 'verification') })) },
  { weight: 1, arbitrary: onAccount(fc.record({ kind: fc.constant('refund_authorization'), cents })) },
);
const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 12, arbitrary: message },
  {
    weight: 1,
    arbitrary: onAccount(
      fc.record({
        kind: fc.constant('deposit'),
        coin: fc.nat({ max: COINS.length - 1 }),
        tokens: fc.bigInt({ min: 1n, max: 100_000_000n }),
      }),
    ),
  },
);

const nth = fc.nat({ max: 30 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 16, arbitrary: fc.record({ kind: fc.constant('one'), move }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('together'), moves: fc.tuple(message, message) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('twice'), move: message }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('again'), nth }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('changed'), nth }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('policy'), limit }) },
);

/** Some purchases are asked for before anything else happens to them; others are not. */
const opening = fc
  .array(authorization, { maxLength: 3 })
  .map((moves): Step[] => moves.map((each) => ({ kind: 'one', move: each })));

/** Any messages in any order, many of them about the same few purchases. */
export const journeys: fc.Arbitrary<Journey> = fc.record({
  tokens: fc.tuple(purse, purse),
  limit,
  steps: fc
    .tuple(opening, fc.array(step, { minLength: 1, maxLength: 20 }))
    .map(([first, then]): readonly Step[] => [...first, ...then]),
});

/** A step in words, for people who read a failure. */
export function tell(one: Step): string {
  switch (one.kind) {
    case 'one':
      return tellMove(one.move);
    case 'together':
      return `at once: ${one.moves.map(tellMove).join(' | ')}`;
    case 'twice':
      return `two times at once: ${tellMove(one.move)}`;
    case 'again':
      return `message ${one.nth} comes again`;
    case 'changed':
      return `message ${one.nth} comes again with another amount`;
    case 'policy':
      return `the program's limit becomes ${one.limit ?? 'none'}`;
  }
}

function tellMove({ account, what }: Move): string {
  const { kind, ...rest } = what;
  const details = Object.entries(rest).map(([name, value]) => `${name} ${value}`);
  return `account ${account}: ${kind}${details.length === 0 ? '' : ` (${details.join(', ')})`}`;
}
