import { randomUUID } from 'node:crypto';
import type { Client } from 'pg';
import request from 'supertest';
import { snapshotForAmendment } from '../../../services/authorizations/rules/amendment';
import { amendmentReceiptText } from '../../../services/authorizations/rules/amendment-receipt';
import { decideAuthorization } from '../../../services/authorizations/rules/decide-authorization';
import { receiptText } from '../../../services/authorizations/rules/receipt';
import { newId } from '../../../services/database/new-id';
import { formatId, type IdKind, parseId } from '../../../services/shared/ids';
import { NOW, requestOf, snapshotOf } from '../../builders/snapshots';

/** One thing of every kind, as the API names it. */
export type SeededIds = Readonly<Partial<Record<IdKind, string>>> &
  Readonly<Record<'program' | 'cardholder' | 'account' | 'card' | 'authorization', string>>;

/** Which kind of id each parameter of a path stands for. A new parameter has to be added here, or tests fail. */
export const KIND_OF_PARAMETER: Readonly<Record<string, IdKind>> = {
  organization_id: 'organization',
  api_key_id: 'apiKey',
  program_id: 'program',
  cardholder_id: 'cardholder',
  account_id: 'account',
  card_id: 'card',
  card_product_id: 'cardProduct',
  product_id: 'cardProduct',
  authorization_id: 'authorization',
  amendment_id: 'amendment',
  transaction_id: 'cardTransaction',
  draw_id: 'loanDraw',
  repayment_id: 'repayment',
  deposit_id: 'deposit',
  collateral_operation_id: 'collateralOperation',
  settlement_id: 'settlement',
  control_version_id: 'controlVersion',
  backtest_id: 'backtest',
  ledger_transaction_id: 'ledgerTransaction',
};

function uuidOf(kind: IdKind, id: string): string {
  const parsed = parseId(kind, id);
  if (!parsed.ok) throw new Error(`${id} is no ${kind}`);
  return parsed.value;
}

/** The receipt of a purchase that the builder's cardholder makes. */
function receiptOf(authorizationId: string): string {
  const [snapshot, asked] = [snapshotOf(), requestOf(4_250n)];
  const decision = decideAuthorization(snapshot, asked, NOW);
  const subject = { authorizationId, contentHash: '0'.repeat(64) };
  return receiptText({ subject, snapshot, request: asked, decision, now: NOW, marketHash: '0'.repeat(64) });
}

function amendmentReceiptOf(authorizationId: string, amendmentId: string): string {
  const [snapshot, asked] = [snapshotOf(), requestOf(1_000n)];
  const purchase = { total: 4_250n, begunAt: NOW, open: true, fixedFeeHeld: true, channel: 'chip', taken: [] };
  const decision = decideAuthorization(snapshotForAmendment(snapshot, purchase), asked, NOW);
  return amendmentReceiptText({ amendmentId, authorizationId, contentHash: '0'.repeat(64) }, purchase, {
    snapshot,
    request: asked,
    decision,
    facts: {},
    now: NOW,
    marketHash: '0'.repeat(64),
  });
}

/**
 * One row of everything a fintech can read: what the API makes is made by it; what needs vendors or a chain is put in as
 * superuser.
 */
export async function seedEverything(
  sql: Client,
  owner: { readonly url: string; readonly id: string; readonly key: string },
): Promise<SeededIds> {
  const ids = await seedAccount(sql, owner);
  const cardProduct = await seedProgramParts(owner, ids.program);
  const organizationId = uuidOf('organization', owner.id);
  const account = uuidOf('account', ids.account);
  const program = uuidOf('program', ids.program);
  const card = uuidOf('card', ids.card);
  const insert = (table: string, row: Record<string, unknown>) =>
    insertRow(sql, table, { organization_id: organizationId, ...row });

  const authorization = newId();
  const merchant = JSON.stringify({ id: 'M', name: 'Shop', city: 'Berlin', country: 'DEU', mcc: '5411' });
  await insert('authorizations', {
    id: authorization,
    account_id: account,
    card_id: card,
    program_id: program,
    vendor: 'lithic',
    processor_authorization_id: randomUUID(),
    state: 'cleared',
    currency: 'USD',
    requested_amount: 4250,
    approved_amount: 4250,
    hold_amount: 4250,
    merchant_amount: 4250,
    merchant_currency: 'USD',
    merchant,
    channel: 'chip',
    receipt: receiptOf(authorization),
    occurred_at: new Date(),
    respond_by: new Date(),
  });
  const amendment = newId();
  await insert('authorization_amendments', {
    id: amendment,
    authorization_id: authorization,
    account_id: account,
    card_id: card,
    vendor: 'lithic',
    message_id: randomUUID(),
    content_hash: '0'.repeat(64),
    processor_authorization_id: randomUUID(),
    kind: 'authorization',
    outcome: 'approved',
    requested_amount: 1000,
    total_before: 4250,
    granted: 1000,
    occurred_at: new Date(),
    answer_state: 'given',
    receipt: amendmentReceiptOf(authorization, amendment),
  });
  const leg = newId();
  await insert('funding_legs', {
    id: leg,
    account_id: account,
    authorization_id: authorization,
    ordinal: 0,
    kind: 'loan_draw',
    asset: 'USDC',
    price_usd_e8: 100_000_000,
    held_amount: 42_500_000,
    held_usd: 4250,
  });
  const transaction = newId();
  await insert('card_transactions', {
    id: transaction,
    kind: 'clearing',
    state: 'posted',
    account_id: account,
    card_id: card,
    program_id: program,
    authorization_id: authorization,
    vendor: 'lithic',
    message_id: randomUUID(),
    processor_authorization_id: randomUUID(),
    amount: 4250,
    currency: 'USD',
    merchant_amount: 4250,
    merchant_currency: 'USD',
    merchant,
    effective_at: new Date(),
  });
  const posting = newId();
  await insert('leg_postings', {
    id: posting,
    leg_id: leg,
    account_id: account,
    card_transaction_id: transaction,
    kind: 'loan_draw',
    asset: 'USDC',
    amount: 42_500_000,
    amount_usd: 4250,
  });
  await insert('loan_draws', { id: leg, account_id: account, asset: 'USDC', venue: 'aave_v3', state: 'requested' });
  await insert('draw_orders', {
    id: posting,
    draw_id: leg,
    account_id: account,
    asset: 'USDC',
    amount: 42_500_000,
    state: 'requested',
  });
  const repayment = newId();
  await insert('repayments', {
    id: repayment,
    account_id: account,
    asset: 'USDC',
    source: 'funds',
    amount: 1,
    state: 'requested',
  });
  const deposit = newId();
  await insert('deposits', {
    id: deposit,
    account_id: account,
    chain_id: 31_337,
    asset: 'USDC',
    amount: 1,
    from_address: '0x1',
    to_address: '0x2',
    transaction_hash: '0x3',
    receipt_position: 0,
    block_hash: '0x4',
    block_number: 1,
    state: 'seen',
  });
  const operation = newId();
  await insert('collateral_operations', {
    id: operation,
    account_id: account,
    kind: 'pledge',
    asset: 'WETH',
    amount: 1,
    state: 'requested',
  });
  const lot = newId();
  await insert('tax_lots', {
    id: lot,
    account_id: account,
    asset: 'USDC',
    quantity: 2,
    remaining: 1,
    basis_price_usd_e8: 100_000_000,
    price_source: 'test',
    source: 'deposit',
    source_id: deposit,
    acquired_at: new Date(),
  });
  await insert('tax_disposals', {
    id: newId(),
    account_id: account,
    asset: 'USDC',
    lot_id: lot,
    quantity: 1,
    basis_usd: 0,
    proceeds_usd: 0,
    price_source: 'test',
    source: 'sale',
    source_id: posting,
    ordinal: 0,
    disposed_at: new Date(),
  });
  const settlement = newId();
  await insert('settlements', { id: settlement, program_id: program, date: '2026-11-01', state: 'closed' });
  const versions = await seedVersions(owner, ids.card);
  const ledgerTransaction = await seedLedger(insert, account);
  const apiKeys = await sql.query('SELECT id FROM api_keys WHERE organization_id = $1', [organizationId]);
  return {
    ...ids,
    organization: owner.id,
    cardProduct,
    apiKey: formatId('apiKey', apiKeys.rows[0].id),
    authorization: formatId('authorization', authorization),
    amendment: formatId('amendment', amendment),
    fundingLeg: formatId('fundingLeg', leg),
    cardTransaction: formatId('cardTransaction', transaction),
    loanDraw: formatId('loanDraw', leg),
    repayment: formatId('repayment', repayment),
    deposit: formatId('deposit', deposit),
    collateralOperation: formatId('collateralOperation', operation),
    settlement: formatId('settlement', settlement),
    ...versions,
    ...ledgerTransaction,
  };
}

/** A draft of a card's controls, and a backtest of it. */
async function seedVersions(
  owner: { readonly url: string; readonly key: string },
  card: string,
): Promise<{ controlVersion: string; backtest: string }> {
  const post = async (path: string, body: object): Promise<string> => {
    const answer = await request(owner.url)
      .post(path)
      .set({ Authorization: `Bearer ${owner.key}`, 'Idempotency-Key': `seed${path}` })
      .send(body);
    if (answer.status >= 300) throw new Error(`${path}: ${answer.text}`);
    return answer.body.id;
  };
  const controls = { limits: { day_amount: '5000' } };
  const controlVersion = await post('/v1/control-versions', { scope: 'card', card_id: card, controls });
  const from = new Date(Date.now() - 86_400_000);
  const backtest = await post(`/v1/control-versions/${controlVersion}/backtests`, { from });
  return { controlVersion, backtest };
}

async function seedLedger(
  insert: (table: string, row: Record<string, unknown>) => Promise<void>,
  account: string,
): Promise<Partial<Record<IdKind, string>>> {
  const [funds, suspense, transaction, transfer] = [newId(), newId(), newId(), newId()];
  await insert('ledger_accounts', {
    id: funds,
    type: 'cardholder.funds',
    key: account,
    asset: 'USDC',
    normal: 'credit',
    materialised: true,
    account_id: account,
    posted_credits: 5,
  });
  await insert('ledger_accounts', {
    id: suspense,
    type: 'suspense',
    key: 'organization',
    asset: 'USDC',
    normal: 'credit',
    materialised: false,
  });
  await insert('ledger_transactions', {
    id: transaction,
    template: 'record-deposit',
    idempotency_key: `seed:${transaction}`,
    effective_at: new Date(),
  });
  await insert('ledger_transfers', {
    id: transfer,
    transaction_id: transaction,
    label: 'credit',
    kind: 'posted',
    debit_account_id: suspense,
    credit_account_id: funds,
    asset: 'USDC',
    amount: 5,
  });
  return {
    ledgerAccount: formatId('ledgerAccount', funds),
    ledgerTransaction: formatId('ledgerTransaction', transaction),
    transfer: formatId('transfer', transfer),
  };
}

/** A kind of card and an endpoint for the fintech's own decision; answers the id of the former. */
async function seedProgramParts(
  owner: { readonly url: string; readonly key: string },
  program: string,
): Promise<string> {
  const authorization = { Authorization: `Bearer ${owner.key}` };
  const product = await request(owner.url)
    .post('/v1/card-products')
    .set({ ...authorization, 'Idempotency-Key': 'seed/v1/card-products' })
    .send({ program_id: program, name: 'Seeded' })
    .expect(201);
  await request(owner.url)
    .put(`/v1/programs/${program}/partner-endpoint`)
    .set(authorization)
    .send({ url: 'http://127.0.0.1:9/decisions' })
    .expect(200);
  return product.body.id;
}

/** A verified cardholder with an account and an active card, made through the API except for the vendors' part. */
export async function seedAccount(
  sql: Client,
  owner: { readonly url: string; readonly key: string },
): Promise<{ program: string; cardholder: string; account: string; card: string; cardToken: string }> {
  const post = async (path: string, body: object): Promise<{ id: string }> => {
    const answer = await request(owner.url)
      .post(path)
      .set({ Authorization: `Bearer ${owner.key}`, 'Idempotency-Key': `seed${path}` })
      .send(body);
    if (answer.status >= 300) throw new Error(`${path}: ${answer.text}`);
    return answer.body;
  };
  const program = (await post('/v1/programs', { name: 'Seeded' })).id;
  const cardholder = (
    await post('/v1/cardholders', {
      program_id: program,
      first_name: 'Ada',
      last_name: 'Lovelace',
      date_of_birth: '1990-12-10',
      email: 'ada@example.com',
      residence_country: 'DEU',
      nationality: 'DEU',
    })
  ).id;
  await sql.query("UPDATE cardholders SET kyc_state = 'approved' WHERE id = $1", [uuidOf('cardholder', cardholder)]);
  const account = (await post('/v1/accounts', { program_id: program, cardholder_id: cardholder })).id;
  const card = (await post('/v1/cards', { account_id: account })).id;
  const cardToken = randomUUID();
  const made = await sql.query(
    `UPDATE cards SET state = 'active', card_token = $2, last_four = '4242', network = 'visa', expiry_month = 12, expiry_year = 2099
     WHERE id = $1 RETURNING organization_id, id, account_id`,
    [uuidOf('card', card), cardToken],
  );
  const { organization_id, id, account_id } = made.rows[0];
  await insertRow(sql, 'card_routes', {
    vendor: 'lithic',
    card_token: cardToken,
    organization_id,
    card_id: id,
    account_id,
  });
  return { program, cardholder, account, card, cardToken };
}

async function insertRow(sql: Client, table: string, row: Record<string, unknown>): Promise<void> {
  const columns = Object.keys(row);
  const places = columns.map((_column, index) => `$${index + 1}`).join(', ');
  await sql.query(`INSERT INTO ${table} (${columns.join(', ')}) VALUES (${places})`, Object.values(row));
}
