import type { Knex } from 'knex';
import { Client } from 'pg';
import { createKnex } from '../../../services/database/knex';
import { newId } from '../../../services/database/new-id';
import { inOrganization, type Transaction } from '../../../services/database/transaction';
import { fundsOf, positionOf, suspenseOf, walletOf } from '../../../services/ledger/account-refs';
import { moved, type TransactionDraft, type TransferDraft } from '../../../services/ledger/draft';
import { balanceOf, countersOfRef, transfersOfTransaction } from '../../../services/ledger/ledger.repository';
import {
  HoldExceededError,
  IdempotencyConflictError,
  InsufficientFundsError,
} from '../../../services/ledger/ledger-errors';
import {
  assetTotals,
  openPositions,
  recomputeBalances,
  transfersOfLeg,
  trialBalance,
  writeCheckpoints,
} from '../../../services/ledger/ledger-report.repository';
import { postTransactions } from '../../../services/ledger/post-transactions';
import { availableBalance } from '../../../services/ledger/rules/account-balance';
import { confirmDeposit } from '../../../services/ledger/templates/record-deposit';
import { required } from '../../../services/shared/assert';
import { createSpendingWorld, type SpendingWorld } from '../../builders/spending-world';
import { eventually } from '../../builders/temporal-world';
import { createTestDatabase, type TestDatabase } from '../../setup/database';

let database: TestDatabase;
let knex: Knex;
let superuser: Client;

beforeAll(async () => {
  database = await createTestDatabase();
  knex = createKnex(database.urls.escudo_app, 10, 'ledger-test');
  superuser = new Client({ connectionString: database.superuserUrl });
  await superuser.connect();
});

afterAll(async () => {
  await knex.destroy();
  await superuser.end();
  await database.drop();
});

interface Books {
  readonly world: SpendingWorld;
  readonly accountId: string;
  inside<T>(work: (trx: Transaction) => Promise<T>): Promise<T>;
  post(...drafts: TransactionDraft[]): ReturnType<typeof postTransactions>;
  free(): Promise<bigint>;
}

async function books(funds = 100n): Promise<Books> {
  const world = await createSpendingWorld(database.superuserUrl, { accounts: 1, funds: { USDC: funds } });
  const { accountId } = required(world.accounts[0], 'account');
  const inside = <T>(work: (trx: Transaction) => Promise<T>) => inOrganization(knex, world.organizationId, work);
  return {
    world,
    accountId,
    inside,
    post: (...drafts) => inside((trx) => postTransactions(trx, world.organizationId, drafts)),
    free: () =>
      inside(async (trx) =>
        availableBalance(await countersOfRef(trx, world.organizationId, fundsOf(accountId, 'USDC'))),
      ),
  };
}

function draft(idempotencyKey: string, ...transfers: TransferDraft[]): TransactionDraft {
  return { template: 'sweep', idempotencyKey, effectiveAt: new Date('2026-11-01T12:00:00Z'), transfers };
}

const spend = (accountId: string, amount: bigint, legId?: string) =>
  moved('spend', fundsOf(accountId, 'USDC'), positionOf('USDC'), amount, legId);

const hold = (accountId: string, id: string, amount: bigint): TransferDraft => ({
  ...spend(accountId, amount),
  id,
  kind: 'pending',
});

const post = (accountId: string, holdId: string, amount: bigint): TransferDraft => ({
  ...spend(accountId, amount),
  kind: 'post_pending',
  pendingTransferId: holdId,
});

describe('balances', () => {
  test('forty writers on one account lose no update and never overdraw it', async () => {
    const b = await books(100n);
    const results = await Promise.allSettled(
      Array.from({ length: 40 }, (_, n) => b.post(draft(`race:${n}`, spend(b.accountId, 3n)))),
    );
    expect(results.filter((each) => each.status === 'fulfilled')).toHaveLength(33);
    for (const each of results) {
      if (each.status === 'rejected') expect(each.reason).toBeInstanceOf(InsufficientFundsError);
    }
    expect(await b.free()).toBe(1n);
    expect(await b.inside((trx) => recomputeBalances(trx, b.world.organizationId))).toEqual([]);
    expect(await b.inside((trx) => balanceOf(trx, b.world.organizationId, positionOf('USDC')))).toBe(-99n);
  });

  test('a refusal leaves the transaction usable and writes no money', async () => {
    const b = await books(10n);
    await b.inside(async (trx) => {
      const drafts = [draft('refused:1', spend(b.accountId, 6n)), draft('refused:2', spend(b.accountId, 5n))];
      await expect(postTransactions(trx, b.world.organizationId, drafts)).rejects.toMatchObject({
        available: 10n,
        missing: 1n,
      });
      const results = await postTransactions(trx, b.world.organizationId, [draft('taken', spend(b.accountId, 10n))]);
      expect(results).toEqual([{ kind: 'posted' }]);
    });
    expect(await b.free()).toBe(0n);
  });

  test('the database itself refuses what the code would let through', async () => {
    const b = await books(10n);
    const update = superuser.query(
      "UPDATE ledger_accounts SET pending_debits = 11 WHERE organization_id = $1 AND type = 'cardholder.funds'",
      [b.world.organizationId],
    );
    await expect(update).rejects.toMatchObject({ constraint: 'ledger_accounts_funds_not_negative_check' });
  });

  test('every posting moves the version of the cardholder account it touches', async () => {
    const b = await books();
    const version = async () =>
      BigInt((await superuser.query('SELECT version FROM accounts WHERE id = $1', [b.accountId])).rows[0].version);
    const before = await version();
    await b.post(draft('version', spend(b.accountId, 1n)));
    expect(await version()).toBeGreaterThan(before);
  });
});

describe('holds', () => {
  test('are used up to their amount and no further, also by two at once', async () => {
    const b = await books(100n);
    const id = newId();
    await b.post(draft('hold', hold(b.accountId, id, 60n)));
    expect(await b.free()).toBe(40n);
    const results = await Promise.allSettled(
      [1, 2, 3, 4].map((n) => b.post(draft(`post:${n}`, post(b.accountId, id, 20n)))),
    );
    expect(results.filter((each) => each.status === 'fulfilled')).toHaveLength(3);
    expect(results.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []))).toEqual([
      expect.any(HoldExceededError),
    ]);
    expect(await b.free()).toBe(40n);
  });

  test('post and release together end one exactly', async () => {
    const b = await books(100n);
    const id = newId();
    const release: TransferDraft = { ...post(b.accountId, id, 35n), kind: 'void_pending' };
    await b.post(draft('hold-2', hold(b.accountId, id, 60n)));
    await b.post(draft('both', post(b.accountId, id, 25n), release));
    expect(await b.free()).toBe(75n);
    await expect(b.post(draft('more', { ...release, amount: 1n }))).rejects.toBeInstanceOf(HoldExceededError);
  });

  test('cannot be posted to other accounts', async () => {
    const b = await books(100n);
    const id = newId();
    await b.post(draft('hold-3', hold(b.accountId, id, 60n)));
    const elsewhere: TransferDraft = { ...post(b.accountId, id, 60n), credit: suspenseOf('USDC') };
    await expect(b.post(draft('elsewhere', elsewhere))).rejects.toThrow('does not repeat the accounts');
  });
});

describe('idempotency', () => {
  test('the same effect posts once, whether again, at once or twice in one call', async () => {
    const b = await books(100n);
    const same = draft('same', spend(b.accountId, 7n));
    expect(await b.post(same, same)).toEqual([{ kind: 'posted' }, { kind: 'posted' }]);
    const results = await Promise.all(Array.from({ length: 6 }, () => b.post({ ...same })));
    expect(results.flat()).toEqual(Array.from({ length: 6 }, () => ({ kind: 'already_posted' })));
    expect(await b.free()).toBe(93n);
  });

  test('writers without a common account lock agree on one', async () => {
    const b = await books();
    const deposit = confirmDeposit({
      depositId: newId(),
      wallet: walletOf(31337, '0xAbC', 'USDC'),
      amount: 5n,
      effectiveAt: new Date(),
    });
    const results = await Promise.all(Array.from({ length: 6 }, () => b.post({ ...deposit })));
    expect(results.flat().filter((each) => each.kind === 'posted')).toHaveLength(1);
    expect(await b.inside((trx) => balanceOf(trx, b.world.organizationId, walletOf(31337, '0xabc', 'USDC')))).toBe(5n);
  });

  test('one key for two effects is refused', async () => {
    const b = await books(100n);
    await b.post(draft('once', spend(b.accountId, 7n)));
    await expect(b.post(draft('once', spend(b.accountId, 8n)))).rejects.toBeInstanceOf(IdempotencyConflictError);
    expect(await b.free()).toBe(93n);
  });
});

describe('immutability and isolation', () => {
  test.each([
    'escudo_app',
    'escudo_authorizer',
    'escudo_worker',
    'escudo_readonly',
    'escudo_migrator',
    'superuser',
  ] as const)('%s cannot change, delete or empty ledger rows', async (role) => {
    const b = await books();
    await b.post(draft('fixed', spend(b.accountId, 1n)));
    const url = role === 'superuser' ? database.superuserUrl : database.urls[role];
    const client = new Client({ connectionString: url });
    await client.connect();
    try {
      await client.query("SELECT set_config('app.organization_id', $1, false)", [b.world.organizationId]);
      for (const table of ['ledger_transfers', 'ledger_transactions']) {
        const column = table === 'ledger_transfers' ? 'label' : 'template';
        for (const statement of [
          `UPDATE ${table} SET ${column} = 'x'`,
          `DELETE FROM ${table}`,
          `TRUNCATE ${table} CASCADE`,
        ]) {
          await expect(client.query(statement)).rejects.toThrow(/permission denied|immutable/);
        }
      }
    } finally {
      await client.end();
    }
  });

  test('another organization sees and posts nothing', async () => {
    const [ours, theirs] = [await books(50n), await books(70n)];
    await ours.inside(async (trx) => {
      for (const table of ['ledger_accounts', 'ledger_transactions', 'ledger_transfers']) {
        const rows = await trx(table).where({ organization_id: theirs.world.organizationId });
        expect(rows).toEqual([]);
      }
    });
    const foreign = ours.inside((trx) =>
      postTransactions(trx, theirs.world.organizationId, [draft('foreign', spend(theirs.accountId, 1n))]),
    );
    await expect(foreign).rejects.toThrow(/row-level security/);
    expect(await theirs.free()).toBe(70n);
    const unset = createKnex(database.urls.escudo_app, 1, 'no-organization');
    try {
      expect(await unset('ledger_transfers').select('id')).toEqual([]);
    } finally {
      await unset.destroy();
    }
  });
});

describe('reports', () => {
  test('transfers are found by their leg and by their transaction', async () => {
    const b = await books(100n);
    const { organizationId } = b.world;
    const [legId, id] = [newId(), newId()];
    await b.post({ ...draft('leg', spend(b.accountId, 10n, legId), spend(b.accountId, 5n)), id });
    const ofLeg = await b.inside((trx) => transfersOfLeg(trx, organizationId, legId));
    expect(ofLeg).toMatchObject([{ transaction_id: id, leg_id: legId, amount: 10n, asset: 'USDC', kind: 'posted' }]);
    const ofTransaction = await b.inside((trx) => transfersOfTransaction(trx, organizationId, id));
    expect(ofTransaction.map((transfer) => transfer.amount).sort()).toEqual([10n, 5n]);
    expect(await b.inside((trx) => openPositions(trx, organizationId, [legId]))).toEqual([
      { leg_id: legId, asset: 'USDC', open_debit: -10n },
    ]);
  });

  test('a checkpoint leaves out what still runs, and balances stay the same', async () => {
    const b = await books(100n);
    const { organizationId } = b.world;
    await b.post(draft('cp:1', spend(b.accountId, 10n)));
    const position = () => b.inside((trx) => balanceOf(trx, organizationId, positionOf('USDC')));
    const slow = await knex.transaction();
    await slow.raw("SELECT set_config('app.organization_id', ?, true)", [organizationId]);
    await postTransactions(slow, organizationId, [
      confirmDeposit({
        depositId: newId(),
        wallet: walletOf(31337, '0x1', 'USDC'),
        amount: 9n,
        effectiveAt: new Date(),
      }),
    ]);
    await b.post(draft('cp:2', spend(b.accountId, 20n)));
    // What runs longer in another database of the server holds checkpoints up as well: other tests have theirs.
    await eventually('a checkpoint moves', () =>
      b.inside(async (trx) => (await writeCheckpoints(trx, organizationId)) > 0),
    );
    await slow.commit();
    expect(await position()).toBe(-30n);
    expect(await b.inside((trx) => balanceOf(trx, organizationId, walletOf(31337, '0x1', 'USDC')))).toBe(9n);
    await Promise.all([1, 2, 3].map(() => b.inside((trx) => writeCheckpoints(trx, organizationId))));
    await b.post(draft('cp:3', spend(b.accountId, 5n)));
    expect(await position()).toBe(-35n);
    expect(await b.inside((trx) => recomputeBalances(trx, organizationId))).toEqual([]);
    expect(await b.inside((trx) => assetTotals(trx, organizationId))).toEqual([{ asset: 'USDC', difference: 0n }]);
  });

  test('recomputing and the sums find a balance that was tampered with', async () => {
    const b = await books(100n);
    const { organizationId } = b.world;
    await superuser.query(
      "UPDATE ledger_accounts SET posted_credits = posted_credits + 1 WHERE organization_id = $1 AND type = 'cardholder.funds'",
      [organizationId],
    );
    const found = await b.inside((trx) => recomputeBalances(trx, organizationId));
    expect(found).toMatchObject([
      { type: 'cardholder.funds', kept: { posted_credits: 101n }, recomputed: { posted_credits: 100n } },
    ]);
    expect(await b.inside((trx) => assetTotals(trx, organizationId))).toEqual([{ asset: 'USDC', difference: -1n }]);
  });

  test('the trial balance of a day holds what is dated before it', async () => {
    const b = await books(100n);
    const { organizationId } = b.world;
    await b.post(draft('day', spend(b.accountId, 10n)));
    const lines = (before: string) => b.inside((trx) => trialBalance(trx, organizationId, new Date(before)));
    expect(await lines('2026-11-01T12:00:00Z')).toEqual([]);
    expect(await lines('2026-11-01T12:00:01Z')).toEqual([
      { type: 'cardholder.funds', asset: 'USDC', debits: 10n, credits: 0n },
      { type: 'position', asset: 'USDC', debits: 0n, credits: 10n },
    ]);
  });
});
