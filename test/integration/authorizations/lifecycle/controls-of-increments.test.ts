import type { SpendControls } from '../../../../services/cards/rules/spend-controls';
import { formatId } from '../../../../services/shared/ids';
import { CASH_MACHINE, type Cardholder, type Lifecycle, merchantOf, startLifecycle } from './network';
import { openReceiptDesk, type ReceiptDesk } from './receipt-desk';

let network: Lifecycle;
let desk: ReceiptDesk;

beforeAll(async () => {
  network = await startLifecycle();
  desk = openReceiptDesk(network);
});

afterAll(async () => {
  await desk.end();
  await network.end();
});

/** What is in force on the card from now on. */
async function control({ organizationId }: Cardholder, controls: SpendControls): Promise<void> {
  await network.tested.sql.query('UPDATE cards SET controls = $2 WHERE organization_id = $1', [
    organizationId,
    JSON.stringify(controls),
  ]);
}

const OTHER_MERCHANT = { merchant: { ...merchantOf('5411').merchant, acceptor_id: 'M-2' } };
const ABROAD = { merchant: { ...merchantOf('5411').merchant, country: 'FRA' } };
/** The merchant asks for more on its own: nobody presents the card. */
const BY_THE_MERCHANT = {
  pos: {
    entry_mode: { pan: 'CREDENTIAL_ON_FILE', cardholder: 'NOT_PRESENT' },
    terminal: { partial_approval_capable: false, type: 'POS_TERMINAL' },
  },
};
const EUROS = {
  amounts: { cardholder: { amount: 5_000, currency: 'USD' }, merchant: { amount: 4_500, currency: 'EUR' } },
};
const [NEVER, LONG_AGO] = [[], '2020-01-01T00:00:00Z'];

const REFUSED: readonly (readonly [string, SpendControls, object])[] = [
  ['cash where none is handed out', { cash_withdrawals: false }, CASH_MACHINE],
  ['cash at the till where none is', { cash_withdrawals: false }, { cash_amount: 2_000 }],
  ['a merchant that is blocked since', { blocked_merchants: ['M-1'] }, {}],
  ['a merchant beside those allowed', { allowed_merchants: ['M-1'] }, OTHER_MERCHANT],
  ['another merchant than the card is locked to', { merchant_lock: 'first_use' }, OTHER_MERCHANT],
  ['a category that is blocked since', { blocked_mccs: ['5411'] }, {}],
  ['a category beside those allowed', { allowed_mccs: ['5411'] }, merchantOf('7995')],
  ['a country beside those allowed', { allowed_merchant_countries: ['DEU'] }, ABROAD],
  ['another currency where none is allowed', { foreign_currency: false }, EUROS],
  ['a card that is not valid any more', { valid_until: LONG_AGO }, {}],
  ['a channel that is blocked since', { blocked_channels: ['chip'] }, {}],
  ['the purchase’s own channel, blocked since', { blocked_channels: ['chip'] }, BY_THE_MERCHANT],
  ['a machine where only shops are allowed', { blocked_channels: ['atm'] }, CASH_MACHINE],
  ['the card presented outside its hours', { hours: NEVER }, {}],
];

test.each(REFUSED)('more of a purchase is refused: %s', async (_, controls, overrides) => {
  const holder = await network.cardholder({ cardControls: { merchant_lock: 'first_use' } });
  const purchase = holder.purchase();
  expect(await purchase.ask(10_000)).toEqual({ result: 'APPROVED' });
  await control(holder, controls);
  expect((await purchase.ask(5_000, { overrides: overrides as never })).result).not.toBe('APPROVED');
  const [amendment] = await holder.rows('authorization_amendments');
  expect(amendment?.decline_reason).toMatch(/_blocked$|^outside_validity$/);
  expect(await holder.books(purchase)).toMatchObject({ state: 'pending', held: 10_000n, counted: ['10000', 1] });
  expect(await desk.sameAgain(holder)).toBe(1);
});

const LET_IN: readonly (readonly [string, SpendControls, object])[] = [
  ['at the merchant that the card is locked to', { merchant_lock: 'first_use' }, {}],
  ['on a card for one purchase, as it is the same one', { single_use: true }, {}],
  ['asked by the merchant outside the card’s hours', { hours: NEVER }, BY_THE_MERCHANT],
  ['asked by the merchant, where the card is for chip only', { allowed_channels: ['chip'] }, BY_THE_MERCHANT],
  ['beyond the number of purchases', { limits: { day_count: 1 } }, {}],
  ['in the hold’s own category', { allowed_mccs: ['5411'], blocked_merchants: ['M-2'] }, {}],
];

test.each(LET_IN)('more of a purchase is let in: %s', async (_, controls, overrides) => {
  const holder = await network.cardholder({ cardControls: { merchant_lock: 'first_use' } });
  const purchase = holder.purchase();
  expect(await purchase.ask(10_000)).toEqual({ result: 'APPROVED' });
  await control(holder, controls);
  expect(await purchase.ask(5_000, { overrides: overrides as never })).toEqual({ result: 'APPROVED' });
  expect(await holder.books(purchase)).toMatchObject({ held: 15_000n, counted: ['15000', 1] });
  expect(await desk.sameAgain(holder)).toBe(1);
});

test.each([
  ['a paused card', "UPDATE cards SET state = 'paused' WHERE organization_id = $1", 'card_paused'],
  ['a closed card', "UPDATE cards SET state = 'closed' WHERE organization_id = $1", 'card_closed'],
  ['a suspended account', "UPDATE accounts SET state = 'suspended' WHERE organization_id = $1", 'account_suspended'],
  [
    'a program that is switched off',
    "UPDATE programs SET state = 'disabled' WHERE organization_id = $1",
    'program_disabled',
  ],
])('more of a purchase is refused: %s', async (_, change, reason) => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  await network.tested.sql.query(change, [holder.organizationId]);
  expect((await purchase.ask(5_000, { overrides: BY_THE_MERCHANT })).result).not.toBe('APPROVED');
  expect(await holder.rows('authorization_amendments')).toMatchObject([{ decline_reason: reason }]);
  expect(await holder.books(purchase)).toMatchObject({ held: 10_000n });
});

test('an advice is refused by no control, as it asks nothing', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  await control(holder, { blocked_merchants: ['M-1'] });
  await purchase.tell('AUTHORIZATION_ADVICE', 15_000, { holdLeft: 15_000 });
  expect(await holder.books(purchase)).toMatchObject({ approved: 15_000n, held: 15_000n });
  expect(await desk.sameAgain(holder)).toBe(1);
});

test('the refusal is explained as that of any purchase', async () => {
  const holder = await network.cardholder();
  const purchase = holder.purchase();
  await purchase.ask(10_000);
  await purchase.ask(1_000);
  await control(holder, { blocked_merchants: ['M-1'] });
  await purchase.ask(5_000);
  const key = await desk.keyOf(holder);
  const [row] = await holder.rows('authorizations');
  const { body } = await desk.get(key, `/v1/authorizations/${formatId('authorization', String(row?.id))}/amendments`);
  const explained = await Promise.all(
    (body.data as readonly { id: string }[]).map(
      async ({ id }) =>
        (
          await desk.get(
            key,
            `/v1/authorizations/${formatId('authorization', String(row?.id))}/amendments/${id}/explain`,
          )
        ).body,
    ),
  );
  const controls = explained.map(({ checks }) => checks.find((each: { check: string }) => each.check === 'controls'));
  expect(controls.map(({ result }) => result).sort()).toEqual(['failed', 'passed']);
});
