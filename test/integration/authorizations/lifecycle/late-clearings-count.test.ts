import { expireAuthorization } from '../../../../services/authorizations/expire-authorization';
import { recordCardEvent } from '../../../../services/authorizations/record-card-event';
import type { SpendControls } from '../../../../services/cards/rules/spend-controls';
import { required } from '../../../../services/shared/assert';
import { cardEvent, purchase as requestOf } from '../../../builders/spending-world';
import { testSealer } from '../../../builders/test-authorizer';
import { type Cardholder, type Lifecycle, type LithicPurchase, merchantOf, startLifecycle } from './network';

const GROCER = merchantOf('5411');
const PUMP = merchantOf('5542');
const RESTAURANT = merchantOf('5812');
const ELSEWHERE = { merchant: { ...GROCER.merchant, acceptor_id: 'M-2' } };
const SMALL_DAY: SpendControls = { limits: { day_amount: '10000' } };

let network: Lifecycle;

beforeAll(async () => {
  network = await startLifecycle();
});

afterAll(async () => {
  await network.end();
});

function holderOf(cardControls: SpendControls): Promise<Cardholder> {
  return network.cardholder({ cardControls });
}

/** What a purchase of `cents` is answered: `approved`, or why it is not. */
async function buy(holder: Cardholder, cents: number, details = GROCER): Promise<string> {
  const purchase = holder.purchase(details);
  await purchase.ask(cents);
  return String((await rowOf(holder, purchase)).decline_reason ?? 'approved');
}

async function rowOf(holder: Cardholder, { token }: LithicPurchase): Promise<Record<string, unknown>> {
  const rows = await holder.rows('authorizations');
  return required(
    rows.find((row) => row.processor_authorization_id === token),
    'the row of a purchase',
  );
}

async function approved(holder: Cardholder, cents: number, details = GROCER): Promise<LithicPurchase> {
  const purchase = holder.purchase(details);
  expect((await purchase.ask(cents)).result).toBe('APPROVED');
  return purchase;
}

/** Our own deadline passes. */
async function expire(holder: Cardholder, purchase: LithicPurchase): Promise<void> {
  const { id } = await rowOf(holder, purchase);
  await network.tested.sql.query("UPDATE authorizations SET expires_at = now() - interval '1 second' WHERE id = $1", [
    id,
  ]);
  const clock = { now: () => new Date() };
  const input = { organizationId: holder.organizationId, authorizationId: String(id) };
  expect(await expireAuthorization({ knex: network.knex, clock }, input)).toEqual({ kind: 'expired' });
}

/** Cents and purchases that are counted, on the account and on its card: the same on both. */
async function counted(holder: Cardholder): Promise<readonly [string, number]> {
  const onAccount = (await holder.books()).counted;
  const [onCard] = await holder.rows('limit_counters', 'scope_id');
  for (const kind of ['day', 'month', 'all_time']) {
    const [, amount, count] = required(
      (onCard?.windows as Record<string, [number, string, number]> | undefined)?.[kind],
      'the counters of the card',
    );
    expect([kind, amount, count]).toEqual([kind, ...onAccount]);
  }
  return onAccount;
}

/** What clears when nothing of the purchase is counted any more, or ever was. */
const NOT_COUNTED: readonly (readonly [string, (holder: Cardholder) => Promise<LithicPurchase>])[] = [
  [
    'its hold ran out by our deadline',
    async (holder) => {
      const purchase = await approved(holder, 9_000);
      await expire(holder, purchase);
      return purchase;
    },
  ],
  [
    'the network said that it expired',
    async (holder) => {
      const purchase = await approved(holder, 9_000);
      await purchase.tell('AUTHORIZATION_EXPIRY', 9_000);
      return purchase;
    },
  ],
  [
    'all of it was reversed',
    async (holder) => {
      const purchase = await approved(holder, 9_000);
      await purchase.tell('AUTHORIZATION_REVERSAL', 9_000);
      return purchase;
    },
  ],
  [
    'it was cleared for nothing, and the hold ran out',
    async (holder) => {
      const purchase = await approved(holder, 9_000);
      await purchase.tell('CLEARING', 0, { holdLeft: 9_000 });
      await expire(holder, purchase);
      return purchase;
    },
  ],
  [
    'it was cleared for nothing, and the rest was reversed',
    async (holder) => {
      const purchase = await approved(holder, 9_000);
      await purchase.tell('CLEARING', 0, { holdLeft: 9_000 });
      await purchase.tell('AUTHORIZATION_REVERSAL', 9_000);
      return purchase;
    },
  ],
  [
    'we had declined it',
    async (holder) => {
      const purchase = holder.purchase();
      expect((await purchase.ask(60_000)).result).not.toBe('APPROVED');
      return purchase;
    },
  ],
  ['we never heard of it', async (holder) => holder.purchase()],
];

describe.each(NOT_COUNTED)('a purchase that cleared although %s', (_why, begin) => {
  test('counts as one: amount, number, and again only as an amount for what clears after it', async () => {
    const holder = await holderOf({});
    const purchase = await begin(holder);
    await purchase.tell('CLEARING', 9_000);
    expect(await counted(holder)).toEqual(['9000', 1]);
    await purchase.repeat();
    expect(await counted(holder)).toEqual(['9000', 1]);
    await purchase.tell('CLEARING', 500);
    expect(await counted(holder)).toEqual(['9500', 1]);
    await purchase.tell('AUTHORIZATION_REVERSAL', 9_500);
    await purchase.tell('AUTHORIZATION_EXPIRY', 9_500);
    expect(await counted(holder)).toEqual(['9500', 1]);
  });

  test('has used a single-use card', async () => {
    const holder = await holderOf({ single_use: true });
    await (await begin(holder)).tell('CLEARING', 1_000);
    expect(await buy(holder, 1_000)).toBe('single_use_spent');
  });

  test.each<[string, SpendControls]>([
    ['amount_limit_exceeded', { limits: { month_amount: '9999' } }],
    ['count_limit_exceeded', { limits: { month_count: 1 } }],
  ])('is in the limits of the month: %s', async (reason, controls) => {
    const holder = await holderOf(controls);
    await (await begin(holder)).tell('CLEARING', 9_000);
    expect(await buy(holder, 1_000)).toBe(reason);
  });

  test('locks the card to its merchant', async () => {
    const holder = await holderOf({ merchant_lock: 'first_use' });
    await (await begin(holder)).tell('CLEARING', 1_000);
    expect(await buy(holder, 1_000, ELSEWHERE)).toBe('merchant_blocked');
    expect(await buy(holder, 1_000)).toBe('approved');
  });

  test('is a purchase to velocity rules, and what clears after it a part of that', async () => {
    const holder = await holderOf({
      velocity: [{ window_seconds: 3_600, max_count: 2, max_amount: '10000', per: 'card' }],
    });
    const purchase = await begin(holder);
    await purchase.tell('CLEARING', 4_000);
    await purchase.tell('CLEARING', 4_000);
    expect(await buy(holder, 2_001)).toBe('velocity_exceeded');
    expect(await buy(holder, 1_000)).toBe('approved');
    expect(await buy(holder, 1_000)).toBe('velocity_exceeded');
  });
});

describe('a clearing above what was approved', () => {
  test('counts with what it came to', async () => {
    const holder = await holderOf(SMALL_DAY);
    const purchase = await approved(holder, 5_000);
    await purchase.tell('CLEARING', 9_000);
    expect(await counted(holder)).toEqual(['9000', 1]);
    expect(await buy(holder, 1_001)).toBe('amount_limit_exceeded');
    expect(await buy(holder, 1_000)).toBe('approved');
  });

  test('of a pump that asked for a dollar', async () => {
    const holder = await holderOf(SMALL_DAY);
    const purchase = await approved(holder, 100, PUMP);
    await purchase.tell('CLEARING', 9_000);
    expect(await counted(holder)).toEqual(['9000', 1]);
    expect(await buy(holder, 1_001)).toBe('amount_limit_exceeded');
  });

  test('that leaves a hold: neither expiry nor reversal of what is left gives any of it back', async () => {
    for (const end of ['AUTHORIZATION_EXPIRY', 'AUTHORIZATION_REVERSAL']) {
      const holder = await network.cardholder({ policy: { hold_allowance_bps: { restaurants: 2_000 } } });
      const purchase = await approved(holder, 10_000, RESTAURANT);
      await purchase.tell('CLEARING', 11_000, { holdLeft: 1_000 });
      expect(await holder.books(purchase)).toMatchObject({ state: 'partially_cleared', held: 1_000n });
      expect(await counted(holder)).toEqual(['11000', 1]);
      await purchase.tell(end, 1_000);
      expect(await counted(holder)).toEqual(['11000', 1]);
    }
  });

  test('and more on top of that: what is taken back of it is what was counted for it', async () => {
    const holder = await network.cardholder({ policy: { hold_allowance_bps: { restaurants: 2_000 } } });
    const purchase = await approved(holder, 10_000, RESTAURANT);
    await purchase.tell('CLEARING', 11_000, { holdLeft: 1_000 });
    expect((await purchase.ask(3_000)).result).toBe('APPROVED');
    expect((await purchase.ask(5_000)).result).toBe('APPROVED');
    expect(await counted(holder)).toEqual(['19000', 1]);
    await purchase.tell('AUTHORIZATION_REVERSAL', 6_000, { holdLeft: 2_000 });
    expect(await counted(holder)).toEqual(['13000', 1]);
    await purchase.tell('CLEARING', 500, { holdLeft: 1_500 });
    expect(await counted(holder)).toEqual(['13000', 1]);
    await purchase.tell('AUTHORIZATION_EXPIRY', 1_500);
    expect(await counted(holder)).toEqual(['11500', 1]);
  });
});

test('what clears after the last clearing counts again', async () => {
  const holder = await holderOf(SMALL_DAY);
  const purchase = await approved(holder, 10_000);
  await purchase.tell('CLEARING', 4_000);
  expect(await counted(holder)).toEqual(['4000', 1]);
  await purchase.tell('CLEARING', 6_000);
  expect(await counted(holder)).toEqual(['10000', 1]);
  expect(await buy(holder, 1)).toBe('amount_limit_exceeded');
});

test('parts of what was approved are counted once, however many clearings they take', async () => {
  const holder = await holderOf({});
  const purchase = await approved(holder, 10_000);
  await purchase.tell('CLEARING', 4_000, { holdLeft: 6_000 });
  await purchase.tell('CLEARING', 5_000, { holdLeft: 1_000 });
  expect(await counted(holder)).toEqual(['10000', 1]);
  await purchase.tell('CLEARING', 500);
  expect(await counted(holder)).toEqual(['9500', 1]);
});

test('a purchase that cleared after it had expired and was told of again since counts with both', async () => {
  const holder = await holderOf({});
  const purchase = await approved(holder, 10_000);
  await expire(holder, purchase);
  await purchase.tell('CLEARING', 9_000);
  await purchase.tell('AUTHORIZATION_ADVICE', 11_000, { polarity: 'DEBIT', holdLeft: 2_000 });
  expect(await counted(holder)).toEqual(['11000', 2]);
  await purchase.tell('AUTHORIZATION_REVERSAL', 2_000);
  expect(await counted(holder)).toEqual(['9000', 1]);
});

test('refunds change nothing of what a late clearing counted, nor does one that is taken back', async () => {
  const holder = await holderOf({});
  const purchase = await approved(holder, 10_000);
  await expire(holder, purchase);
  await purchase.tell('CLEARING', 9_000);
  await purchase.tell('RETURN', 9_000);
  expect(await counted(holder)).toEqual(['9000', 1]);
  await purchase.tell('RETURN_REVERSAL', 9_000, { polarity: 'DEBIT' });
  expect(await counted(holder)).toEqual(['9000', 1]);
});

test('a late clearing counts in the windows that are open when it clears', async () => {
  const holder = await holderOf({});
  const purchase = await approved(holder, 10_000);
  await expire(holder, purchase);
  const later = new Date(Date.now() + 40 * 86_400_000);
  await clearAt(later, holder, purchase, 9_000n);
  expect(await counted(holder)).toEqual(['9000', 1]);
  const [card] = await holder.rows('limit_counters', 'scope_id');
  expect(card?.windows).toHaveProperty('month.0', Date.UTC(later.getUTCFullYear(), later.getUTCMonth(), 1));
});

test('a late clearing counts on the card that the network names', async () => {
  const holder = await holderOf({});
  const purchase = await approved(holder, 5_000);
  const replaced = { ...holder, cardToken: await replacementOf(holder) };
  await clearAt(new Date(), replaced, purchase, 9_000n);
  expect((await holder.books()).counted).toEqual(['9000', 1]);
  const cards = await holder.rows('limit_counters', 'scope_id');
  const days = cards.map(({ windows }) => (windows as { day: [number, string, number] }).day.slice(1));
  expect(days.sort()).toEqual([
    ['4000', 0],
    ['5000', 1],
  ]);
});

async function clearAt(
  now: Date,
  holder: Pick<Cardholder, 'accountId' | 'cardholderId' | 'cardId' | 'cardToken'>,
  { token }: LithicPurchase,
  cents: bigint,
): Promise<void> {
  const request = { ...requestOf(holder, cents), processorAuthorizationId: token };
  const deps = { knex: network.knex, clock: { now: () => now }, sealer: testSealer() };
  const recorded = await recordCardEvent(deps, cardEvent(request, 'clearing', { effectiveAt: now }));
  expect(recorded.kind).toBe('recorded');
}

/** Another card of the account; its token. */
async function replacementOf({ cardId }: Cardholder): Promise<string> {
  const { rows } = await network.tested.sql.query(
    `WITH other AS (
       INSERT INTO cards (organization_id, id, account_id, program_id, cardholder_id, state, processor, card_token, last_four, network,
         expiry_month, expiry_year)
       SELECT organization_id, gen_random_uuid(), account_id, program_id, cardholder_id, state, processor, 'other-' || id, last_four, network,
         expiry_month, expiry_year
       FROM cards WHERE id = $1 RETURNING organization_id, id, account_id, card_token)
     INSERT INTO card_routes (vendor, card_token, organization_id, card_id, account_id)
     SELECT 'lithic', card_token, organization_id, id, account_id FROM other RETURNING card_token`,
    [cardId],
  );
  return rows[0].card_token;
}
