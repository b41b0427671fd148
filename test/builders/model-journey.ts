import * as fc from 'fast-check';
import { COINS, type Fees, type Happening, type Market, type Shop, type Source } from './model-spending';

/** Purchases that a journey can speak of; the odd ones belong to the second account. */
export const PURCHASES = 4;
export const ACCOUNTS = 2;

export function accountOf(purchase: number): number {
  return purchase % ACCOUNTS;
}

/** Where a purchase is made: its merchant's category decides the allowance that its hold carries. */
export interface Place extends Pick<Shop, 'foreign' | 'cash'> {
  readonly category: Category;
}

/** Merchant category codes, the basis points that are added to a hold there, and whether it is a pump. */
export const CATEGORIES = {
  grocer: { mcc: '5411', allowanceBps: 0n, pump: false },
  restaurant: { mcc: '5812', allowanceBps: 2_000n, pump: false },
  hotel: { mcc: '3640', allowanceBps: 1_500n, pump: false },
  pump: { mcc: '5542', allowanceBps: 0n, pump: true },
} as const;
type Category = keyof typeof CATEGORIES;

/** How a program is set up. */
export interface Terms {
  readonly sources: readonly Source[];
  readonly places: readonly Place[];
  readonly fees: Fees;
  readonly bufferBps: bigint;
  /** Purchases are funded right after their approval. */
  readonly atOnce: boolean;
}

/** One thing that happens, on one account. */
export interface Move {
  readonly account: number;
  readonly what: Happening;
}

/**
 * One step of a journey. `together`: both at the same moment, over two authorizers. `twice`: one message that comes two times
 * at the same moment. `again`: an earlier message comes once more, as it was. `changed`: an earlier message's id with other
 * content. `policy`: the program changes its limit. `prices`: prices move.
 */
export type Step =
  | { readonly kind: 'one'; readonly move: Move }
  | { readonly kind: 'together'; readonly moves: readonly [Move, Move] }
  | { readonly kind: 'twice'; readonly move: Move }
  | { readonly kind: 'again'; readonly nth: number }
  | { readonly kind: 'changed'; readonly nth: number }
  | { readonly kind: 'policy'; readonly limit: bigint | null }
  | { readonly kind: 'prices'; readonly market: Market };

export interface Journey {
  /** What each account has to begin with: millionths of each coin, and base units of pledged collateral. */
  readonly owns: readonly { readonly tokens: readonly bigint[]; readonly pledged: bigint }[];
  readonly terms: Terms;
  readonly market: Market;
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
  { weight: 6, arbitrary: fc.bigInt({ min: 3_000n, max: 12_000n }) },
  { weight: 2, arbitrary: fc.constant(100n) },
  { weight: 2, arbitrary: cents },
);
const tokens = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom(0n, 100_000_000n) },
  { weight: 4, arbitrary: fc.bigInt({ min: 0n, max: 1_000_000_000n }) },
);
const purse = fc.tuple(tokens, fc.oneof(fc.constant(0n), tokens));
const pledged = fc.oneof(
  { weight: 1, arbitrary: fc.constant(0n) },
  // Up to 300 dollars to be lent on it.
  { weight: 3, arbitrary: fc.bigInt({ min: 0n, max: 180_000_000_000_000_000n }) },
);
const owned = fc.record({ tokens: purse, pledged });
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
  { weight: 4, arbitrary: onPurchase(fc.record({ kind: fc.constant('look'), purchase })) },
  { weight: 1, arbitrary: onAccount(fc.record({ kind: fc.constant('refund'), purchase: fc.constant(null), cents })) },
  {
    weight: 1,
    arbitrary: onAccount(fc.record({ kind: fc.constant('refund_reversal'), purchase: fc.constant(null), cents })),
  },
  { weight: 2, arbitrary: onPurchase(fc.record({ kind: fc.constant('refund_reversal'), purchase, cents })) },
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

/** Every coin is worth a dollar. */
export const PAR: Market = { coins: [100_000_000n, 100_000_000n], collateral: 300_000_000_000n };
const offPar: fc.Arbitrary<Market> = fc.record({
  coins: fc.tuple(
    fc.oneof(fc.constant(100_000_000n), fc.bigInt({ min: 97_000_000n, max: 102_000_000n })),
    fc.oneof(fc.constant(108_000_000n), fc.bigInt({ min: 95_000_000n, max: 121_000_000n })),
  ),
  collateral: fc.bigInt({ min: 180_000_000_000n, max: 330_000_000_000n }),
});

const NO_FEES: Fees = { foreignBps: 0n, cashFixed: 0n, cashBps: 0n, till: false };
const fees: fc.Arbitrary<Fees> = fc.record({
  foreignBps: fc.constantFrom(0n, 100n, 275n),
  cashFixed: fc.constantFrom(0n, 250n),
  cashBps: fc.constantFrom(0n, 150n),
  till: fc.boolean(),
});
const place: fc.Arbitrary<Place> = fc.record({
  category: fc.constantFrom('grocer', 'restaurant', 'hotel', 'pump'),
  foreign: fc.boolean(),
  cash: fc.constantFrom('none', 'none', 'machine', 'till'),
});
const GROCER: Place = { category: 'grocer', foreign: false, cash: 'none' };
const RESTAURANT: Place = { category: 'restaurant', foreign: false, cash: 'none' };
/** The first two at a grocer's, the others at a restaurant. */
const PLAIN_PLACES = [GROCER, GROCER, RESTAURANT, RESTAURANT];

/** A program without loans and fees. */
export const PLAIN: Terms = { sources: [0, 1], places: PLAIN_PLACES, fees: NO_FEES, bufferBps: 50n, atOnce: false };
const sources: fc.Arbitrary<readonly Source[]> = fc.constantFrom<readonly Source[]>(
  [0, 1],
  [1, 0],
  ['loan'],
  [0, 'loan'],
  ['loan', 1],
  [1, 0, 'loan'],
);
const places = fc.array(place, { minLength: PURCHASES, maxLength: PURCHASES });
const bufferBps = fc.constantFrom(0n, 50n, 300n);
const atOnce = fc.boolean();

/** Each of what a program may have by itself, and all of it together. */
const setup: fc.Arbitrary<{ readonly terms: Terms; readonly market: Market }> = fc.oneof(
  { weight: 2, arbitrary: fc.constant({ terms: PLAIN, market: PAR }) },
  {
    weight: 2,
    arbitrary: fc.record({
      terms: fc.record({ sources, atOnce }).map((each) => ({ ...PLAIN, ...each })),
      market: fc.constant(PAR),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      terms: fc.record({ fees, places }).map((each) => ({ ...PLAIN, ...each })),
      market: fc.constant(PAR),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ terms: bufferBps.map((each) => ({ ...PLAIN, bufferBps: each })), market: offPar }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ terms: fc.record({ sources, fees, places, bufferBps, atOnce }), market: offPar }),
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
/** Where prices are off par they also move. */
const stepOffPar: fc.Arbitrary<Step> = fc.oneof(
  { weight: 24, arbitrary: step },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('prices'), market: offPar }) },
);

/** Some purchases are asked for before anything else happens to them; others are not. */
const opening = fc
  .array(authorization, { maxLength: 3 })
  .map((moves): Step[] => moves.map((each) => ({ kind: 'one', move: each })));

/** Any messages in any order, many of them about the same few purchases. */
export const journeys: fc.Arbitrary<Journey> = setup.chain(({ terms, market }) =>
  fc.record({
    owns: fc.tuple(owned, owned),
    terms: fc.constant(terms),
    market: fc.constant(market),
    limit,
    steps: fc
      .tuple(opening, fc.array(market === PAR ? step : stepOffPar, { minLength: 1, maxLength: 20 }))
      .map(([first, then]): readonly Step[] => [...first, ...then]),
  }),
);

/** Lithic tells no new totals when it asks, and its requests cannot come with their time for an answer over. */
function moveAtLithic({ account, what }: Move): Move {
  if (what.kind === 'increment') return { account, what: { ...what, basis: 'delta' } };
  if (what.kind === 'late') return { account, what: { ...what, kind: 'authorization', partial: false } };
  return { account, what };
}

function stepAtLithic(one: Step): Step {
  if (one.kind === 'one' || one.kind === 'twice') return { ...one, move: moveAtLithic(one.move) };
  if (one.kind !== 'together') return one;
  const [first, second] = one.moves;
  return { ...one, moves: [moveAtLithic(first), moveAtLithic(second)] };
}

/** Those that Lithic's messages can tell. */
export const journeysAtLithic: fc.Arbitrary<Journey> = journeys.map((journey) => ({
  ...journey,
  steps: journey.steps.map(stepAtLithic),
}));

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
    case 'prices':
      return `prices become ${one.market.coins.join(', ')}; collateral ${one.market.collateral}`;
  }
}

/** How a journey begins, in words. */
export function tellBeginning({ owns, terms, market, limit }: Journey): string {
  const { sources, places, fees: charged, bufferBps: buffer, atOnce: soon } = terms;
  return [
    `began with ${owns.map(({ tokens: each, pledged: of }) => `${each.join(' + ')} tokens, ${of} pledged`).join(' and ')}`,
    `limit ${limit ?? 'none'}; prices ${market.coins.join(', ')}; collateral ${market.collateral}`,
    `pays from ${sources.map((source) => (source === 'loan' ? source : COINS[source])).join(', ')}; buffer ${buffer}${soon ? '; right after the approval' : ''}`,
    `fees: foreign ${charged.foreignBps}, cash ${charged.cashFixed} + ${charged.cashBps} bps${charged.till ? ', at the till too' : ''}`,
    `places: ${places.map(({ category, foreign, cash }) => `${category}${foreign ? ' abroad' : ''}, cash ${cash}`).join('; ')}`,
  ].join('\n');
}

function tellMove({ account, what }: Move): string {
  const { kind, ...rest } = what;
  const details = Object.entries(rest).map(([name, value]) => `${name} ${value}`);
  return `account ${account}: ${kind}${details.length === 0 ? '' : ` (${details.join(', ')})`}`;
}
