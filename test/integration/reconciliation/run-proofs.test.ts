import { Client } from 'pg';
import { loadAssetCatalog } from '../../../services/assets/load-asset-catalog';
import { moveCollateral } from '../../../services/collateral/move-collateral';
import { pledgeCollateral } from '../../../services/collateral/pledge-collateral';
import { drawLoan } from '../../../services/funding/draw-loan';
import { sellStablecoin } from '../../../services/funding/sell-stablecoin';
import { ledgerAccountId } from '../../../services/ledger/account-id';
import { fundsOf, positionOf, suspenseOf, walletOf } from '../../../services/ledger/account-refs';
import type { LedgerAccountRef } from '../../../services/ledger/draft';
import { postTransactions } from '../../../services/ledger/post-transactions';
import type { NetworkSettlementItem, Processor } from '../../../services/providers/processor/port';
import { type Reconciliation, type ReconciliationDeps, runProofs } from '../../../services/reconciliation/run-proofs';
import { required } from '../../../services/shared/assert';
import { sumBigint } from '../../../services/shared/money';
import { createFundingWorld } from '../../builders/funding-world';
import { startOwnChain } from '../../setup/own-chain';

const USDC = 1_000_000n;
const WETH = 10n ** 18n;

let chain: Awaited<ReturnType<typeof startOwnChain>>;
let world: Awaited<ReturnType<typeof createFundingWorld>>;
let holder: Awaited<ReturnType<typeof world.holder>>;
let sound: ReconciliationDeps;
let superuser: Client;

/** A funded purchase by sale, one by loan, collateral at the venue: something to compare everywhere. */
beforeAll(async () => {
  chain = await startOwnChain();
  world = await createFundingWorld(chain);
  const { deps } = world;
  const sources = [
    { kind: 'stablecoin' as const, asset: 'USDC', keep: 450n * USDC },
    { kind: 'loan' as const, ltvMaxBps: null },
  ];
  holder = await world.holder({ credit: true, fundingPolicy: { mode: 'custom', sources } });
  const { organizationId, accountId } = holder;
  await holder.deposit('USDC', 500n * USDC);
  await holder.deposit('WETH', WETH);
  const pledged = await holder.inside((trx) =>
    pledgeCollateral(trx, deps, { organizationId, accountId, asset: 'WETH', amount: WETH }),
  );
  if (!pledged.ok) throw new Error(pledged.error.detail);
  await world.drive(() => moveCollateral(deps, { organizationId, operationId: pledged.value.id }));
  const { postings } = await holder.spend(120_00n);
  const rows = await holder.rows('leg_postings');
  for (const postingId of postings) {
    const step = rows.find(({ id }) => id === postingId)?.kind === 'loan_draw' ? drawLoan : sellStablecoin;
    await world.drive(() => step(deps, { organizationId, postingId }));
  }
  superuser = new Client({ connectionString: world.superuserUrl });
  await superuser.connect();
  sound = { ...deps, assets: await loadAssetCatalog(deps.knex), processor: network() };
  // Gas of the last calls is booked by a sweeper, which this world has none of.
  await holder.expectSound();
}, 120_000);

afterAll(async () => {
  await superuser.end();
  await world.close();
  await chain.stop();
});

/** A network that reports what the card transactions say, with `surplus` cents more on one movement. */
function network(surplus = 0n): Processor {
  const notAsked = () => Promise.reject(new Error('not asked here'));
  return {
    vendor: 'lithic',
    createCard: notAsked,
    findCard: notAsked,
    getCard: notAsked,
    setCardState: notAsked,
    findRequest: notAsked,
    async settlementSummary(date) {
      const items: NetworkSettlementItem[] = (await holder.rows('card_transactions')).map((row, index) => ({
        cardToken: holder.cardToken,
        messageIds: [row.message_id],
        amount: BigInt(row.amount) + (index === 0 ? surplus : 0n),
      }));
      const netAmount = sumBigint(items.map(({ amount }) => amount));
      const sums = { netAmount, clearingsAmount: netAmount, refundsAmount: 0n, transactionCount: items.length };
      const report = { ...sums, isComplete: false, updatedAt: new Date(), bankReference: 'none', items };
      const value = { date, currency: 'USD', ...report };
      return { kind: 'ok', value };
    },
  };
}

function reconcile(change: Partial<ReconciliationDeps> = {}): Promise<Reconciliation> {
  return runProofs({ ...sound, ...change }, { organizationId: holder.organizationId, intervalMs: 10 });
}

/** Names of the proofs that are false. */
async function breaks(change: Partial<ReconciliationDeps> = {}): Promise<string[]> {
  const { ok, proofs } = await reconcile(change);
  const names = proofs.filter((proof) => !proof.ok).map((proof) => proof.name);
  expect(ok).toBe(names.length === 0);
  return names.sort();
}

/** Breaks a row behind the platform's back, looks, and mends it again. */
async function brokenRow(table: string, set: string, where: string, mend: string): Promise<string[]> {
  const update = (change: string) =>
    superuser.query(`UPDATE ${table} SET ${change} WHERE organization_id = $1 AND ${where}`, [holder.organizationId]);
  expect((await update(set)).rowCount).toBe(1);
  try {
    return await breaks();
  } finally {
    await update(mend);
  }
}

/** Books one transfer that nothing stands behind, looks, and takes it out again. */
async function wrongEntry(debit: LedgerAccountRef, credit: LedgerAccountRef, amount: bigint): Promise<string[]> {
  const idempotencyKey = 'seeded-break';
  await holder.inside((trx) =>
    postTransactions(trx, holder.organizationId, [
      {
        template: 'sweep',
        idempotencyKey,
        effectiveAt: new Date(),
        transfers: [{ label: 'wrong', kind: 'posted', debit, credit, amount }],
      },
    ]),
  );
  try {
    return await breaks();
  } finally {
    // Only a superuser that switches the triggers off can take a ledger row back.
    await superuser.query(`BEGIN; SET LOCAL session_replication_role = replica;
      DELETE FROM ledger_transfers WHERE label = 'wrong'; DELETE FROM ledger_transactions WHERE idempotency_key = 'seeded-break';
      COMMIT`);
  }
}

const wallet = (owner: 'operating' | 'treasury', asset: string) =>
  walletOf(world.deps.deployment.chainId, holder.wallets[owner].address, asset);

describe('books that are sound', () => {
  it('are found sound, each claim with what was expected and found', async () => {
    const { ok, proofs, blockNumber } = await reconcile();
    expect(proofs.filter((proof) => !proof.ok)).toEqual([]);
    expect(ok).toBe(true);
    expect(await holder.events()).not.toContain('reconciliation.broken');
    expect(blockNumber).toBeGreaterThan(0n);
    const found = Object.fromEntries(proofs.map((proof) => [proof.name, proof.found]));
    const [draw] = await holder.rows('loan_draws');
    const debt = required(found['ledger_equals_chain.venue_debt_USDC'], 'the debt at the venue');
    expect(Number.parseFloat(debt)).toBeGreaterThanOrEqual(Number(draw.principal_confirmed) / 1e6);
    expect(found['ledger_equals_chain.venue_collateral_WETH']).toBe('1.000000000000000000 WETH');
    expect(found['off_ramp_orders_agree']).toBe('0');
    expect(Object.keys(found)).toEqual(
      expect.arrayContaining([
        'assets_sum_to_zero',
        'finished_legs_have_no_position',
        'balances_equal_transfers',
        'account_figures_equal_rows',
        'ledger_equals_chain.operating_wallets_ETH',
        'ledger_equals_chain.operating_wallets_USDC',
        'ledger_equals_chain.treasury_wallets_USDC',
        'client_money_covered.USDC',
        'client_collateral_covered.WETH',
        'ledger_equals_bank',
        'off_ramp_transit_equals_orders.USDC',
      ]),
    );
  });

  it('of an organization without any business are sound too', async () => {
    const other = await world.holder();
    const { proofs } = await runProofs(
      { ...sound, processor: network() },
      { organizationId: other.organizationId, intervalMs: 10 },
    );
    expect(proofs.filter((proof) => !proof.ok)).toEqual([]);
  });
});

describe('a break inside', () => {
  const funds = () => `id = '${ledgerAccountId(holder.organizationId, fundsOf(holder.accountId, 'USDC'))}'`;

  it('of a stored balance is found', async () => {
    expect(
      await brokenRow(
        'ledger_accounts',
        'posted_credits = posted_credits + 1',
        funds(),
        'posted_credits = posted_credits - 1',
      ),
    ).toEqual(['assets_sum_to_zero', 'balances_equal_transfers']);
  });

  it('of a stored hold is found', async () => {
    expect(
      await brokenRow(
        'ledger_accounts',
        'pending_debits = pending_debits + 1',
        funds(),
        'pending_debits = pending_debits - 1',
      ),
    ).toEqual(['balances_equal_transfers']);
  });

  it.each(['debt_shares', 'loan_hold', 'loan_unconfirmed', 'overdue_amount'])(
    'of an account’s %s is found',
    async (column) => {
      const where = `id = '${holder.accountId}'`;
      const before = (await holder.state())[column];
      expect(await brokenRow('accounts', `${column} = ${column} + 1`, where, `${column} = ${before}`)).toEqual([
        'account_figures_equal_rows',
      ]);
    },
  );

  it('of a position left open is found', async () => {
    expect(await wrongEntry(positionOf('USD'), suspenseOf('USD'), 1n)).toEqual(['finished_legs_have_no_position']);
  });

  it('of cardholders’ tokens booked as our own is found', async () => {
    expect(await wrongEntry(wallet('operating', 'USDC'), wallet('treasury', 'USDC'), 1n)).toEqual([
      'client_money_covered.USDC',
      'ledger_equals_chain.operating_wallets_USDC',
      'ledger_equals_chain.treasury_wallets_USDC',
    ]);
  });

  it('of what a sale brought is found', async () => {
    const [sale] = await holder.rows('sale_orders');
    expect(
      await brokenRow('sale_orders', 'gross_usd = gross_usd + 1', `id = '${sale.id}'`, `gross_usd = ${sale.gross_usd}`),
    ).toEqual(['off_ramp_orders_agree']);
  });

  it('of a payout that the bank never made is found', async () => {
    const [sale] = await holder.rows('sale_orders');
    const reference = (text: string) => `bank_reference = '${text}'`;
    expect(
      await brokenRow('sale_orders', reference('invented'), `id = '${sale.id}'`, reference(sale.bank_reference)),
    ).toEqual(['ledger_equals_bank']);
  });

  it('of a sale whose tokens are said to be on their way is found', async () => {
    const [sale] = await holder.rows('sale_orders');
    expect(
      await brokenRow('sale_orders', "state = 'submitted'", `id = '${sale.id}'`, `state = '${sale.state}'`),
    ).toEqual(['off_ramp_transit_equals_orders.USDC']);
  });
});

describe('a break outside', () => {
  it('in a wallet’s tokens is found to the unit', async () => {
    const { treasury } = holder.wallets;
    const reader = {
      ...sound.reader,
      tokenBalance: async (token: `0x${string}`, owner: `0x${string}`, block?: bigint) => {
        const isUsdc = token === world.deps.deployment.tokens['USDC']?.address;
        const stolen = isUsdc && owner.toLowerCase() === treasury.address.toLowerCase() ? 1n : 0n;
        return (await sound.reader.tokenBalance(token, owner, block)) - stolen;
      },
    };
    expect(await breaks({ reader })).toEqual(['ledger_equals_chain.treasury_wallets_USDC']);
    const told = (await holder.rows('events')).filter(({ type }) => type === 'reconciliation.broken').at(-1);
    expect(told?.data.broken).toEqual([
      { name: 'ledger_equals_chain.treasury_wallets_USDC', expected: expect.any(String), found: expect.any(String) },
    ]);
  });

  it('in a wallet’s ether is found to the wei', async () => {
    const { operating } = holder.wallets;
    const reader = {
      ...sound.reader,
      nativeBalance: async (owner: `0x${string}`, block?: bigint) =>
        (await sound.reader.nativeBalance(owner, block)) -
        (owner.toLowerCase() === operating.address.toLowerCase() ? 1n : 0n),
    };
    expect(await breaks({ reader })).toEqual(['ledger_equals_chain.operating_wallets_ETH']);
  });

  it.each([
    { what: 'debt', side: 'debt', asset: 'USDC', name: 'ledger_equals_chain.venue_debt_USDC' },
    { what: 'collateral', side: 'collateral', asset: 'WETH', name: 'ledger_equals_chain.venue_collateral_WETH' },
  ] as const)('in the venue’s $what is found to the unit', async ({ side, asset, name }) => {
    const venue = {
      ...sound.venue,
      position: async (owner: `0x${string}`, block?: bigint) => {
        const position = await sound.venue.position(owner, block);
        const amount = position[side][asset];
        return amount === undefined ? position : { ...position, [side]: { ...position[side], [asset]: amount - 1n } };
      },
    };
    expect(await breaks({ venue })).toEqual([name]);
  });

  it('at the bank is found: another amount, or no answer', async () => {
    const bank = (change: 'amount' | 'silent'): ReconciliationDeps['bank'] => ({
      ...sound.bank,
      async transactions(page) {
        if (change === 'silent') return { kind: 'unknown', detail: 'timeout' };
        const answer = await sound.bank.transactions(page);
        if (answer.kind !== 'ok') return answer;
        const data = answer.value.data.map((entry) => ({ ...entry, amount: entry.amount + 1n }));
        return { kind: 'ok', value: { ...answer.value, data } };
      },
    });
    expect(await breaks({ bank: bank('amount') })).toEqual(['ledger_equals_bank']);
    expect(await breaks({ bank: bank('silent') })).toEqual(['ledger_equals_bank']);
  });

  it.each([
    { what: 'returned the tokens', change: { state: 'returned' as const } },
    { what: 'took another amount', change: { sourceAmount: 1n } },
    { what: 'charged another fee', change: { feeAmount: 9_99n } },
  ])('at the off-ramp, which $what, is found', async ({ change }) => {
    const offRamp = {
      ...sound.offRamp,
      getOrder: async (id: string) => {
        const answer = await sound.offRamp.getOrder(id);
        return answer.kind === 'ok' ? { ...answer, value: { ...answer.value, ...change } } : answer;
      },
    };
    expect(await breaks({ offRamp })).toEqual(['off_ramp_orders_agree']);
  });

  it('in what the network says is owed is found', async () => {
    const names = await breaks({ processor: network(1n) });
    expect(names).toEqual([expect.stringContaining('network_payable_equals_settlement.prog_')]);
  });
});

describe('what is on its way', () => {
  it('is not taken for a break: tokens that arrived and are not confirmed', async () => {
    await world.sandbox.fundToken('USDC', holder.own.address, 7n * USDC);
    await world.scan();
    expect(await breaks()).toEqual([]);
  });

  it('is not taken for a break: a purchase whose sale has not begun', async () => {
    const { postings } = await holder.spend(10_00n);
    expect(postings.length).toBeGreaterThan(0);
    expect(await breaks()).toEqual([]);
  });
});
