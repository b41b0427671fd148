import { generateKeyPairSync, randomBytes } from 'node:crypto';
import type { Knex } from 'knex';
import { Client, Pool } from 'pg';
import { english, generateMnemonic } from 'viem/accounts';
import { recordCardEvent } from '../../services/authorizations/record-card-event';
import { createAaveV3Venue } from '../../services/chain/aave-v3/lending-venue';
import { createChainReader } from '../../services/chain/chain-reader';
import { createChainSandbox } from '../../services/chain/chain-sandbox';
import { createChainClient } from '../../services/chain/clients';
import { erc20Calls } from '../../services/chain/erc20';
import { createTransactionSender, DEFAULT_SENDER_POLICY } from '../../services/chain/transaction-sender';
import { accrueAccount } from '../../services/credit/accrue-interest';
import { createKnex } from '../../services/database/knex';
import { inOrganization, type Transaction } from '../../services/database/transaction';
import { creditDeposit } from '../../services/deposits/credit-deposit';
import { ensureDepositAddress } from '../../services/deposits/ensure-deposit-address';
import { scanDeposits } from '../../services/deposits/scan-deposits';
import { venueCollateralOf, venueDebtOf, walletOf } from '../../services/ledger/account-refs';
import type { LedgerAccountRef } from '../../services/ledger/draft';
import { balanceOf } from '../../services/ledger/ledger.repository';
import { assetTotals, openPositions, recomputeBalances } from '../../services/ledger/ledger-report.repository';
import { registerTokens, watchPrices } from '../../services/pricing/watch-prices';
import { watchReserves } from '../../services/pricing/watch-reserves';
import { createDevelopmentCustody } from '../../services/providers/custody/development';
import type { Hex } from '../../services/providers/custody/port';
import { createBank } from '../../services/providers/off-ramp/bank';
import { createBridge } from '../../services/providers/off-ramp/bridge';
import type { AuthorizationRequest, CardEvent } from '../../services/providers/processor/port';
import { createDeniedAddressList } from '../../services/providers/screening/denied-address-list';
import { required } from '../../services/shared/assert';
import { systemClock } from '../../services/shared/clock';
import type { StepResult } from '../../services/shared/step';
import { bookFinishedGas } from '../../services/treasury/book-gas';
import { prepareTreasury } from '../../services/treasury/prepare-treasury';
import { accountWallet, DEFAULT_GAS_POLICY, organizationWallets, tokenAddress } from '../../services/treasury/wallets';
import { startOffRampVendor } from '../../simulators/off-ramp-vendor/app';
import type { SharedChain } from '../setup/anvil';
import { createTestDatabase } from '../setup/database';
import { cardEvent, createSpendingWorld, purchase, type SpendingWorldOptions } from './spending-world';
import { createTestAuthorizer, testSealer } from './test-authorizer';

const STEPS_MAX = 400;

/** The funding side on real PostgreSQL, a real chain with Aave, and the off-ramp and bank simulators; driven step by step. */
export async function createFundingWorld(chain: SharedChain) {
  const database = await createTestDatabase();
  const knex = createKnex(database.urls.escudo_app, 6, 'funding-test');
  const workerKnex = createKnex(database.urls.escudo_worker, 2, 'funding-test');
  const superuser = new Client({ connectionString: database.superuserUrl });
  await superuser.connect();
  const pool = new Pool({ connectionString: database.urls.escudo_authorizer, max: 2 });
  const authorizer = createTestAuthorizer(pool, {
    limits: { inFlightMax: 1, besideFrom: 0, batchMax: 8, waitingMax: 100 },
  });
  const { deployment } = chain;
  const client = createChainClient(deployment);
  const reader = createChainReader(client);
  const sandbox = createChainSandbox(client, deployment);
  const custody = createDevelopmentCustody(generateMnemonic(english));
  const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const account = { apiKey: 'bridge-key', customerId: 'customer', externalAccountId: 'settlement-account' };
  const vendor = await startOffRampVendor({
    port: 0,
    dataFile: null,
    ...account,
    bankApiKey: 'bank-key',
    bankAccountId: 'settlement',
    webhookUrl: null,
    webhookPrivateKey: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    rpcUrl: chain.rpcUrl,
    tokens: Object.fromEntries(
      ['USDC', 'EURC'].map((code) => [code.toLowerCase(), required(deployment.tokens[code], code)]),
    ),
    confirmations: deployment.confirmations,
    stepMs: 10,
    pollMs: 50,
  });
  const bridge = createBridge({
    baseUrl: vendor.url,
    ...account,
    webhookPublicKey: keys.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  });
  const bank = createBank({ baseUrl: `${vendor.url}/bank`, apiKey: 'bank-key', accountId: 'settlement' });
  const venue = createAaveV3Venue(client, deployment);
  const deps = {
    knex,
    workerKnex,
    clock: systemClock,
    reader,
    sender: createTransactionSender({
      database: knex,
      scanDatabase: workerKnex,
      client,
      custody,
      clock: systemClock,
      policy: { ...DEFAULT_SENDER_POLICY, confirmations: deployment.confirmations },
    }),
    calls: erc20Calls,
    custody,
    deployment,
    gas: DEFAULT_GAS_POLICY,
    venue,
    offRamp: bridge.offRamp,
    offRampVendor: bridge.offRamp.vendor,
    bank: bank.statements,
    screening: createDeniedAddressList([`0x${randomBytes(20).toString('hex')}`]),
    sandbox: {
      chain: sandbox,
      bank: bank.sandbox,
      capital: {
        ether: 10n ** 19n,
        tokens: { USDC: 1_000_000_000n, EURC: 1_000_000_000n },
        cash: 1_000_000n,
      },
    },
  };
  const startBlock = (await reader.head()).number;

  /** Takes steps, mining in between, until the work is over or it `stopsAt` a state or reason. */
  async function drive(
    step: () => Promise<StepResult>,
    stopsAt?: (result: StepResult) => boolean,
  ): Promise<StepResult> {
    for (let count = 0; count < STEPS_MAX; count += 1) {
      const result = await step();
      if (result.done || stopsAt?.(result)) return result;
      await sandbox.mine(1);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`not over after ${STEPS_MAX} steps: ${JSON.stringify(await step())}`);
  }

  await registerTokens(deps);
  async function watch(): Promise<void> {
    await watchPrices({ workerKnex, reader, deployment, heartbeats: {}, defaultHeartbeatSeconds: 864_000 });
    await watchReserves({ workerKnex, reader, venue });
  }

  async function scan(): Promise<void> {
    let more = true;
    while (more) ({ more } = await scanDeposits({ workerKnex, knex, reader, deployment, startBlock }));
  }

  /** An organization with one cardholder, its treasury prepared. */
  async function holder(options: Omit<SpendingWorldOptions, 'accounts'> = {}) {
    const world = await createSpendingWorld(database.superuserUrl, { accounts: 1, ...options });
    const { organizationId, programId } = world;
    const card = required(world.accounts[0], 'account');
    const { accountId } = card;
    const wallets = await organizationWallets(deps, organizationId);
    const [row] = (await superuser.query('SELECT chain_index FROM accounts WHERE id = $1', [accountId])).rows;
    const own = await accountWallet(deps, wallets.organizationIndex, row.chain_index);
    await superuser.query('UPDATE accounts SET address = $1, delegation_left = 0 WHERE id = $2', [
      own.address,
      accountId,
    ]);
    await watch();
    await drive(() => prepareTreasury(deps, { organizationId }));
    const inside = <T>(work: (trx: Transaction) => Promise<T>) => inOrganization(knex, organizationId, work);
    required(
      (await inside((trx) => ensureDepositAddress(trx, deps, { organizationId, accountId }))).ok || null,
      'deposit address',
    );
    const balance = (ref: LedgerAccountRef) => inside((trx) => balanceOf(trx, organizationId, ref));
    const rows = async (table: string, order = 'id') =>
      (await superuser.query(`SELECT * FROM ${table} WHERE organization_id = $1 ORDER BY ${order}`, [organizationId]))
        .rows;

    async function deposit(asset: string, amount: bigint): Promise<string> {
      await sandbox.fundToken(asset, own.address, amount);
      await scan();
      const id: string = required((await rows('deposits')).at(-1), 'deposit').id;
      await drive(() => creditDeposit(deps, { organizationId, depositId: id }));
      return id;
    }

    /** A purchase approved and cleared; returns its request and the ids of its postings. */
    async function spend(
      amount: bigint,
      overrides: Partial<AuthorizationRequest> = {},
      clearing: Partial<CardEvent> = {},
    ) {
      await watch();
      const request = purchase(card, amount, overrides);
      const reply = await authorizer.authorize(request);
      if (reply.outcome !== 'approved') throw new Error(`declined: ${reply.declineReason}`);
      return { request, postings: await clear(request, clearing.amount, clearing) };
    }

    async function clear(
      request: AuthorizationRequest,
      amount = request.amount,
      overrides: Partial<CardEvent> = {},
    ): Promise<string[]> {
      const before = new Set((await rows('leg_postings')).map((each) => each.id));
      await recordCardEvent(
        { knex, clock: systemClock, sealer: testSealer() },
        cardEvent(request, 'clearing', { ...overrides, amount }),
      );
      return (await rows('leg_postings')).map((each) => each.id).filter((id) => !before.has(id));
    }

    /** Every wallet, the collateral and the debt: what the ledger says and what the chain has, both at one block, interest accrued. */
    async function compareWithChain(): Promise<{ name: string; ledger: bigint; chain: bigint }[]> {
      while ((await bookFinishedGas(deps, { organizationId })) > 0);
      const found: { name: string; ledger: bigint; chain: bigint }[] = [];
      for (const [name, address] of [
        ['operating', wallets.operating.address],
        ['treasury', wallets.treasury.address],
        ['account', own.address],
      ] as const) {
        for (const asset of ['ETH', ...Object.keys(deployment.tokens)]) {
          const ledger = await balance(walletOf(deployment.chainId, address, asset));
          const chain =
            asset === 'ETH'
              ? await reader.nativeBalance(address)
              : await reader.tokenBalance(tokenAddress(deployment, asset), address);
          found.push({ name: `${name} ${asset}`, ledger, chain });
        }
      }
      const accrued = await accrueAccount(deps, { organizationId, accountId });
      if (accrued.kind === 'accrued') {
        const position = await venue.position(own.address as Hex, accrued.blockNumber);
        const ledger = await balance(venueDebtOf('aave_v3', own.address, 'USDC'));
        found.push({ name: 'debt', ledger, chain: position.debt['USDC'] ?? 0n });
        for (const asset of ['WETH', 'WBTC']) {
          found.push({
            name: `collateral ${asset}`,
            ledger: await balance(venueCollateralOf('aave_v3', own.address, asset)),
            chain: position.collateral[asset] ?? 0n,
          });
        }
      }
      return found;
    }

    /** The books hold: sums of zero, stored balances equal to transfers, the ledger equal to the chain to the unit. */
    async function expectSound(): Promise<void> {
      for (const line of await compareWithChain()) expect(line).toEqual({ ...line, ledger: line.chain });
      await inside(async (trx) => {
        expect(await recomputeBalances(trx, organizationId)).toEqual([]);
        for (const total of await assetTotals(trx, organizationId)) expect(total.difference).toBe(0n);
      });
      const [stored] = await rows('accounts');
      const draws = await rows('loan_draws');
      expect(BigInt(stored.debt_shares)).toBe(draws.reduce((sum, draw) => sum + BigInt(draw.shares), 0n));
    }

    return {
      ...card,
      organizationId,
      programId,
      wallets,
      own,
      inside,
      balance,
      rows,
      deposit,
      spend,
      clear,
      expectSound,
      record: (...event: Parameters<typeof cardEvent>) =>
        recordCardEvent({ knex, clock: systemClock, sealer: testSealer() }, cardEvent(...event)),
      openPositions: () => inside((trx) => openPositions(trx, organizationId)),
      state: async () => required((await rows('accounts'))[0], 'account'),
      events: async () => (await rows('events')).map((event) => event.type as string),
    };
  }

  return {
    deps,
    superuserUrl: database.superuserUrl,
    sandbox,
    bridge,
    holder,
    drive,
    scan,
    watch,
    async close() {
      await vendor.close();
      await pool.end();
      await superuser.end();
      await destroyAll(knex, workerKnex);
      await database.drop();
    },
  };
}

async function destroyAll(...pools: readonly Knex[]): Promise<void> {
  for (const pool of pools) await pool.destroy();
}
