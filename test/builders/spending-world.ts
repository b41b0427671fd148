import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import type { SpendControls } from '../../services/cards/rules/spend-controls';
import { newId } from '../../services/database/new-id';
import {
  type FundingPolicy,
  fundingPolicyForMode,
  fundingPolicyToStored,
} from '../../services/funding/rules/funding-policy';
import { ledgerAccountId } from '../../services/ledger/account-id';
import { collateralOf, fundsOf, suspenseOf } from '../../services/ledger/account-refs';
import { LEDGER_ACCOUNT_TYPES, type LedgerAccountRef } from '../../services/ledger/draft';
import { DEFAULT_PROGRAM_POLICY, type ProgramPolicy } from '../../services/programs/rules/program-policy';
import type { AuthorizationRequest, CardEvent } from '../../services/providers/processor/port';

/** One verified cardholder with an account and an active card. */
export interface WorldAccount {
  readonly accountId: string;
  readonly cardholderId: string;
  readonly cardId: string;
  readonly cardToken: string;
}

export interface SpendingWorld {
  readonly organizationId: string;
  readonly programId: string;
  readonly accounts: readonly WorldAccount[];
}

export interface SpendingWorldOptions {
  readonly accounts: number;
  /** Base units of each asset that every account holds. */
  readonly funds?: Readonly<Record<string, bigint>>;
  readonly collateral?: Readonly<Record<string, bigint>>;
  readonly policy?: Partial<ProgramPolicy>;
  readonly fundingPolicy?: FundingPolicy;
  readonly cardControls?: SpendControls;
  /** Gives each account an accepted credit agreement and an unlimited delegation. */
  readonly credit?: boolean;
}

export const WORLD_PRICES: Readonly<Record<string, bigint>> = {
  USDC: 100_000_000n,
  EURC: 108_000_000n,
  WETH: 300_000_000_000n,
  WBTC: 6_000_000_000_000n,
};

const RAY = 10n ** 27n;

/**
 * Puts an organization with verified cardholders, accounts and active cards into a database as its superuser, with
 * deposits on the ledger, so that every balance is the sum of its transfers from the start.
 */
export async function createSpendingWorld(superuserUrl: string, options: SpendingWorldOptions): Promise<SpendingWorld> {
  const client = new Client({ connectionString: superuserUrl });
  await client.connect();
  try {
    await client.query('BEGIN');
    const world = await insertWorld(client, options);
    await client.query('COMMIT');
    return world;
  } finally {
    await client.end();
  }
}

async function insertWorld(client: Client, options: SpendingWorldOptions): Promise<SpendingWorld> {
  const organizationId = newId();
  const programId = newId();
  const policy = { ...DEFAULT_PROGRAM_POLICY, ...options.policy };
  const fundingPolicy = fundingPolicyToStored(
    options.fundingPolicy ?? fundingPolicyForMode('sell', policy.stablecoins),
  );
  await client.query("INSERT INTO organizations (id, name, mode) VALUES ($1, 'Test Fintech', 'test')", [
    organizationId,
  ]);
  await client.query("INSERT INTO programs (organization_id, id, name) VALUES ($1, $2, 'Test program')", [
    organizationId,
    programId,
  ]);
  await client.query(
    'INSERT INTO program_policies (organization_id, program_id, version, document) VALUES ($1, $2, 1, $3)',
    [organizationId, programId, JSON.stringify(policy)],
  );
  await client.query(
    `INSERT INTO asset_prices (asset, price_usd_e8, feed, round_id, heartbeat_seconds, observed_at)
     SELECT a, p::numeric, 'test', 1, 86400, now() FROM unnest($1::text[], $2::text[]) AS w(a, p) ON CONFLICT (asset) DO NOTHING`,
    [Object.keys(WORLD_PRICES), Object.values(WORLD_PRICES).map(String)],
  );
  await client.query(
    `INSERT INTO venue_reserves (venue, asset, borrow_index_ray, borrow_rate_ray, available_liquidity, block_number, observed_at)
     VALUES ('aave_v3', 'USDC', $1, 0, 1000000000000000, 1, now()) ON CONFLICT (venue, asset) DO NOTHING`,
    [RAY.toString()],
  );
  const accounts: WorldAccount[] = Array.from({ length: options.accounts }, () => ({
    accountId: newId(),
    cardholderId: newId(),
    cardId: newId(),
    cardToken: randomUUID(),
  }));
  await client.query(
    `INSERT INTO cardholders (organization_id, id, program_id, kyc_state, residence_country, nationality, personal_data, personal_data_key, email_index)
     SELECT $1, h, $2, 'approved', 'DEU', 'DEU', '', '', '' FROM unnest($3::uuid[]) AS h`,
    [organizationId, programId, accounts.map((each) => each.cardholderId)],
  );
  await client.query(
    `INSERT INTO accounts (organization_id, id, program_id, cardholder_id, funding_policy, delegation_left, credit_agreement_id)
     SELECT $1, a, $2, h, $5, $6, $7 FROM unnest($3::uuid[], $4::uuid[]) AS w(a, h)`,
    [
      organizationId,
      programId,
      accounts.map((each) => each.accountId),
      accounts.map((each) => each.cardholderId),
      JSON.stringify(fundingPolicy),
      options.credit ? (10n ** 30n).toString() : '0',
      options.credit ? newId() : null,
    ],
  );
  await client.query(
    `INSERT INTO cards (organization_id, id, account_id, program_id, cardholder_id, state, processor, card_token, last_four, network, expiry_month, expiry_year, controls)
     SELECT $1, c, a, $2, h, 'active', 'lithic', t, '4242', 'visa', 12, 2099, $7
     FROM unnest($3::uuid[], $4::uuid[], $5::uuid[], $6::text[]) AS w(c, a, h, t)`,
    [
      organizationId,
      programId,
      accounts.map((each) => each.cardId),
      accounts.map((each) => each.accountId),
      accounts.map((each) => each.cardholderId),
      accounts.map((each) => each.cardToken),
      JSON.stringify(options.cardControls ?? {}),
    ],
  );
  await client.query(
    `INSERT INTO card_routes (vendor, card_token, organization_id, card_id, account_id)
     SELECT 'lithic', t, $1, c, a FROM unnest($2::text[], $3::uuid[], $4::uuid[]) AS w(t, c, a)`,
    [
      organizationId,
      accounts.map((each) => each.cardToken),
      accounts.map((each) => each.cardId),
      accounts.map((each) => each.accountId),
    ],
  );
  for (const [asset, amount] of Object.entries(options.funds ?? {})) {
    await deposit(client, organizationId, accounts, asset, amount, (accountId) => fundsOf(accountId, asset));
  }
  for (const [asset, amount] of Object.entries(options.collateral ?? {})) {
    await deposit(client, organizationId, accounts, asset, amount, (accountId) => collateralOf(accountId, asset));
  }
  return { organizationId, programId, accounts };
}

/** Puts a deposit of `amount` base units on the ledger for each account, as superuser. */
export async function deposit(
  client: Client,
  organizationId: string,
  accounts: readonly WorldAccount[],
  asset: string,
  amount: bigint,
  to: (accountId: string) => LedgerAccountRef,
): Promise<void> {
  const suspense = suspenseOf(asset);
  const suspenseId = ledgerAccountId(organizationId, suspense);
  const rows = accounts.map(({ accountId }) => {
    const ref = to(accountId);
    return { accountId, ref, id: ledgerAccountId(organizationId, ref), transactionId: newId(), transferId: newId() };
  });
  await client.query(
    `INSERT INTO ledger_accounts (organization_id, id, type, key, asset, normal, materialised)
     VALUES ($1, $2, 'suspense', $3, $4, $5, false) ON CONFLICT DO NOTHING`,
    [organizationId, suspenseId, suspense.key, asset, LEDGER_ACCOUNT_TYPES.suspense.normal],
  );
  await client.query(
    `INSERT INTO ledger_accounts (organization_id, id, type, key, asset, normal, materialised, account_id, posted_credits, version)
     SELECT $1, id, $2, key, $3, 'credit', true, account_id, $4, 1
     FROM unnest($5::uuid[], $6::text[], $7::uuid[]) AS w(id, key, account_id)`,
    [
      organizationId,
      rows[0]?.ref.type,
      asset,
      amount.toString(),
      rows.map((row) => row.id),
      rows.map((row) => row.ref.key),
      rows.map((row) => row.accountId),
    ],
  );
  await client.query(
    `INSERT INTO ledger_transactions (organization_id, id, template, idempotency_key, effective_at)
     SELECT $1, id, 'record-deposit', 'test-deposit:' || id, now() FROM unnest($2::uuid[]) AS w(id)`,
    [organizationId, rows.map((row) => row.transactionId)],
  );
  await client.query(
    `INSERT INTO ledger_transfers (organization_id, id, transaction_id, label, kind, debit_account_id, credit_account_id, asset, amount)
     SELECT $1, id, transaction_id, 'credit-deposit', 'posted', $2, credit_id, $3, $4
     FROM unnest($5::uuid[], $6::uuid[], $7::uuid[]) AS w(id, transaction_id, credit_id)`,
    [
      organizationId,
      suspenseId,
      asset,
      amount.toString(),
      rows.map((row) => row.transferId),
      rows.map((row) => row.transactionId),
      rows.map((row) => row.id),
    ],
  );
}

/** A purchase of `amount` cents at a grocery shop, as the processor adapter hands it over. */
export function purchase(
  account: WorldAccount,
  amount: bigint,
  overrides: Partial<AuthorizationRequest> = {},
): AuthorizationRequest {
  const id = randomUUID();
  return {
    vendor: 'lithic',
    messageId: `message-${id}`,
    processorAuthorizationId: `authorization-${id}`,
    cardToken: account.cardToken,
    kind: 'authorization',
    amount,
    amountBasis: 'total',
    currency: 'USD',
    merchantAmount: amount,
    merchantCurrency: 'USD',
    merchant: { id: 'M-1', name: 'Corner Grocer', city: 'Berlin', country: 'DEU', mcc: '5411' },
    channel: 'chip',
    partialApprovalAllowed: false,
    cashAmount: 0n,
    avs: 'not_provided',
    cvc: 'not_provided',
    fleet: null,
    occurredAt: new Date(),
    respondBy: new Date(Date.now() + 60_000),
    contentHash: `hash-${id}`,
    ...overrides,
  };
}

/** A later message of the network about `request`. */
export function cardEvent(
  request: AuthorizationRequest,
  kind: CardEvent['kind'],
  overrides: Partial<CardEvent> = {},
): CardEvent {
  const id = randomUUID();
  return {
    vendor: request.vendor,
    messageId: `event-${id}`,
    processorAuthorizationId: request.processorAuthorizationId,
    cardToken: request.cardToken,
    kind,
    amount: request.amount,
    currency: request.currency,
    amountBasis: kind === 'authorization_advice' ? 'total' : 'delta',
    cashAmount: request.kind === 'cash_withdrawal' ? request.amount : request.cashAmount,
    channel: request.channel,
    reversedMessageId: null,
    clearedMessageId: null,
    merchantAmount: request.merchantAmount,
    merchantCurrency: request.merchantCurrency,
    merchant: request.merchant,
    final: true,
    originalProcessorAuthorizationId: null,
    effectiveAt: new Date(),
    contentHash: `hash-${id}`,
    ...overrides,
  };
}
