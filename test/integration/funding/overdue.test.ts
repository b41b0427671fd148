import { showAccount } from '../../../services/accounts/show-account';
import { quoteSpend } from '../../../services/authorizations/quote-spend';
import { sellStablecoin } from '../../../services/funding/sell-stablecoin';
import { sweepOverdue } from '../../../services/funding/sweep-overdue';
import { fundsOf, overdueOf } from '../../../services/ledger/account-refs';
import { required } from '../../../services/shared/assert';
import { formatId } from '../../../services/shared/ids';
import { createFundingWorld } from '../../builders/funding-world';
import { purchase } from '../../builders/spending-world';
import { startOwnChain } from '../../setup/own-chain';

const COIN = 1_000_000n;

let chain: Awaited<ReturnType<typeof startOwnChain>>;
let world: Awaited<ReturnType<typeof createFundingWorld>>;

beforeAll(async () => {
  chain = await startOwnChain();
  world = await createFundingWorld(chain);
});

afterAll(async () => {
  await world.close();
  await chain.stop();
});

type Holder = Awaited<ReturnType<typeof world.holder>>;

/** Spent by the network without asking. */
async function forceClearing(holder: Holder, amount: bigint): Promise<void> {
  await holder.record(purchase(holder, amount), 'clearing');
}

async function shown(holder: Holder) {
  const { organizationId, accountId } = holder;
  const account = await holder.inside((trx) => showAccount(trx, world.deps, { organizationId, accountId }));
  if (!account.ok) throw new Error(account.error.detail);
  return account.value;
}

async function quoted(holder: Holder) {
  const { organizationId, accountId } = holder;
  const asked = { amount: 100n, mcc: '5411', merchantCountry: null, merchantCurrency: null, channel: null };
  const quote = await holder.inside((trx) =>
    quoteSpend(trx, world.deps, { organizationId, accountId, cardId: null, purchase: asked }),
  );
  if (!quote.ok) throw new Error(quote.error.detail);
  return quote.value;
}

/** Collections in the order in which they were begun. */
async function collections(
  holder: Holder,
): Promise<{ id: string; asset: string; amount_usd: string; state: string }[]> {
  const postings = await holder.rows('leg_postings');
  return postings.filter((posting) => posting.kind === 'overdue' && posting.asset !== 'USD');
}

function payOut(holder: Holder, postingId: string) {
  const { organizationId } = holder;
  return world.drive(() => sellStablecoin(world.deps, { organizationId, postingId }));
}

function sweep() {
  return sweepOverdue({
    ...world.deps,
    failed: (_account, error) => {
      throw error;
    },
  });
}

async function overdueEvents(holder: Holder): Promise<{ type: string; data: Record<string, unknown> }[]> {
  const events = await holder.rows('events');
  return events.filter((event) => event.type.startsWith('account.overdue'));
}

test('what nothing covers is shown, stops spending, and is collected from every stablecoin that comes in', async () => {
  const holder = await world.holder();
  const { accountId } = holder;
  await holder.deposit('USDC', 100n * COIN);
  expect((await shown(holder)).overdue).toEqual({ inCollectionUsd: 0n, parts: [] });

  await forceClearing(holder, 13_000n);
  await forceClearing(holder, 3_000n);
  const [first, second] = await holder.rows('card_transactions');
  const standing = await shown(holder);
  expect(standing.account.overdue_amount).toBe(6_000n);
  expect(standing.safeToSpend).toBe(0n);
  expect(standing.overdue.parts.map((part) => [part.cardTransactionId, part.amountUsd])).toEqual([
    [first.id, 3_000n],
    [second.id, 3_000n],
  ]);
  expect(await overdueEvents(holder)).toMatchObject([
    { type: 'account.overdue', data: { overdue: { amount: '30.00' }, change: { amount: '30.00' } } },
    {
      type: 'account.overdue',
      data: {
        overdue: { amount: '60.00' },
        change: { amount: '30.00' },
        transactions: [
          { transaction_id: formatId('cardTransaction', first.id), amount: { amount: '30.00' } },
          { transaction_id: formatId('cardTransaction', second.id), amount: { amount: '30.00' } },
        ],
      },
    },
  ]);
  await expect(holder.spend(1n)).rejects.toThrow('account_overdue');
  const quote = await quoted(holder);
  expect(quote.decision).toMatchObject({ outcome: 'declined', reason: 'account_overdue', largestAmount: 0n });
  expect(quote.largestLimitedBy).toBe('account_overdue');

  // 32.40 at the price of EURC, and the rest from USDC, which leaves 12.40 of it free.
  await holder.deposit('EURC', 30n * COIN);
  await holder.deposit('USDC', 40n * COIN);
  const begun = await collections(holder);
  expect(begun.map((each) => [each.asset, BigInt(each.amount_usd)])).toEqual([
    ['EURC', 3_240n],
    ['USDC', 2_760n],
  ]);
  expect(await holder.balance(fundsOf(accountId, 'USDC'))).toBe(12_400_000n);
  expect((await shown(holder)).overdue.inCollectionUsd).toBe(6_000n);
  await expect(holder.spend(1n)).rejects.toThrow('account_overdue');
  expect(await sweep()).toBeGreaterThan(0);
  expect(await collections(holder)).toHaveLength(2);

  // The money has to be there: the oldest is paid first, and one sale alone does not let spending resume.
  await payOut(holder, required(begun[0], 'a collection').id);
  expect((await shown(holder)).overdue).toMatchObject({
    inCollectionUsd: 2_760n,
    parts: [{ cardTransactionId: second.id, amountUsd: 2_760n }],
  });
  await expect(holder.spend(1n)).rejects.toThrow('account_overdue');
  await payOut(holder, required(begun[1], 'a collection').id);
  expect(await holder.balance(overdueOf(accountId))).toBe(0n);
  expect((await shown(holder)).overdue).toEqual({ inCollectionUsd: 0n, parts: [] });
  expect((await overdueEvents(holder)).at(-1)).toMatchObject({
    type: 'account.overdue_cleared',
    data: { overdue: { amount: '0.00' }, since: null, transactions: [] },
  });
  expect(await overdueEvents(holder)).toHaveLength(3);
  await holder.spend(1_000n);
});

test('what a hold gives back is collected from too', async () => {
  const holder = await world.holder();
  await holder.deposit('USDC', 100n * COIN);
  const { request } = await holder.spend(6_000n, {}, { amount: 1_000n, final: false });
  await forceClearing(holder, 5_000n);
  const overdue = (await shown(holder)).account.overdue_amount;
  expect(overdue).toBeGreaterThan(0n);
  expect(await collections(holder)).toEqual([]);
  await holder.record(request, 'reversal', { amount: 5_000n });
  await sweep();
  const [collection] = await collections(holder);
  expect(BigInt(required(collection, 'a collection').amount_usd)).toBe(overdue);
  await payOut(holder, required(collection, 'a collection').id);
  expect((await shown(holder)).account.overdue_amount).toBe(0n);
  await holder.spend(100n);
});

test('a refund pays what is overdue at once, and a coin worth less than a cent is left alone', async () => {
  const holder = await world.holder();
  await holder.deposit('USDC', 10n * COIN);
  const request = purchase(holder, 4_000n);
  await holder.record(request, 'clearing');
  await holder.deposit('USDC', 9_999n);
  expect(await collections(holder)).toEqual([]);
  await holder.record(request, 'refund', {
    amount: 4_000n,
    originalProcessorAuthorizationId: request.processorAuthorizationId,
  });
  expect((await shown(holder)).account.overdue_amount).toBe(0n);
  expect((await overdueEvents(holder)).map((event) => event.type)).toEqual([
    'account.overdue',
    'account.overdue_cleared',
  ]);
});
