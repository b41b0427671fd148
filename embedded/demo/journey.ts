import type { Hex } from '../../services/providers/custody/port';
import { required } from '../../services/shared/assert';
import { formatDecimal } from '../../services/shared/money';
import type { SandboxDeployment } from '../chain/deployment-file';
import { type ApiClient, apiClient } from './api-client';
import { type ChainAuditor, chainAuditor } from './auditor';
import { DemoFailure } from './demo-failure';
import { until } from './poll';
import { explainPurchase } from './receipts';
import type { StepRecorder } from './report';
import * as shapes from './shapes';
import { said } from './shapes';

/** What the journey is given: where the API is, the operator's key, and the chain for an auditor's own look. */
export interface JourneyInput {
  readonly apiUrl: string;
  readonly operatorKey: string;
  readonly deployment: SandboxDeployment;
  readonly recorder: StepRecorder;
}

/** What the proofs need of it. */
export interface Journey {
  readonly api: ApiClient;
  readonly auditor: ChainAuditor;
  readonly organizationId: string;
  readonly accountId: string;
  readonly owner: Hex;
}

export interface Cardholding {
  readonly api: ApiClient;
  readonly auditor: ChainAuditor;
  readonly accountId: string;
  readonly owner: Hex;
  readonly cardId: string;
  readonly programId: string;
  readonly recorder: StepRecorder;
}

export const RESTAURANT = { name: 'Osteria Demo', city: 'Lisbon', country: 'PRT', mcc: '5812' } as const;
export const GROCER = { name: 'Mercado Demo', city: 'Lisbon', country: 'PRT', mcc: '5411' } as const;
/** Cards are verified by their security code on the web; the sandbox's merchant has a terminal. */
const IN_SHOP = 'contactless';

export const usd = (amount: string) => ({ amount, asset: 'USD' });

/** The main job, as a fintech's engineer would do it: through the public API and the sandbox's outside world only. */
export async function runJourney(input: JourneyInput): Promise<Journey> {
  const { recorder } = input;
  const auditor = chainAuditor(input.deployment);
  const { api, organizationId } = await openOrganization(input);
  const programId = await recorder.run('card program', async (note) => {
    const program = await api.post(shapes.withId, '/v1/programs', { name: 'Demo card' });
    note({ program: program.id });
    return program.id;
  });
  const cardholderId = await onboard(api, programId, recorder);
  const held = await openAccount(api, { programId, cardholderId }, recorder);
  const holding: Cardholding = { api, auditor, recorder, programId, ...held };
  await payIn(holding);
  await pledge(holding);
  await sellPurchase(holding);
  const borrowed = await borrowPurchase(holding);
  await explainPurchase(holding, borrowed);
  await declinedPurchase(holding);
  await refundPurchase(holding, borrowed);
  await mixedPurchase(holding);
  await fallingPrice(holding);
  await repay(holding);
  return { api, auditor, organizationId, accountId: holding.accountId, owner: holding.owner };
}

export async function openOrganization(input: JourneyInput): Promise<{ api: ApiClient; organizationId: string }> {
  const operator = apiClient(input.apiUrl, input.operatorKey);
  return input.recorder.run('organization with its first API key', async (note) => {
    const created = await operator.post(shapes.newOrganization, '/v1/organizations', { name: 'Demo fintech' });
    note({ organization: created.organization.id, key: `${created.api_key.secret.slice(0, 14)}…` });
    return { api: apiClient(input.apiUrl, created.api_key.secret), organizationId: created.organization.id };
  });
}

const person = (programId: string, externalId: string, country: string) => ({
  program_id: programId,
  external_id: externalId,
  first_name: 'Ana',
  last_name: 'Silva',
  date_of_birth: '1990-05-17',
  email: `${externalId}@example.com`,
  residence_country: country,
  nationality: country,
  time_zone: 'Europe/Lisbon',
});

const DOCUMENTS = [
  { type: 'passport', file_name: 'passport.jpg' },
  { type: 'selfie', file_name: 'selfie.jpg' },
].map((document) => ({
  ...document,
  country: 'PRT',
  content_type: 'image/jpeg',
  content: Buffer.from(`a picture: ${document.file_name}`).toString('base64'),
}));

/** A cardholder from Portugal who passes KYC at once. */
export async function approvedCardholder(api: ApiClient, programId: string, recorder: StepRecorder): Promise<string> {
  return recorder.run('cardholder approved by KYC', async (note) => {
    const { id } = await api.post(shapes.cardholder, '/v1/cardholders', person(programId, 'demo-ana', 'PRT'));
    await submitDocuments(api, id);
    const seen = await kycReaches(api, id, 'approved');
    note({ cardholder: id, kyc: seen.kyc.state });
    return id;
  });
}

const submitDocuments = (api: ApiClient, id: string) =>
  api.post(shapes.withoutId, `/v1/cardholders/${id}/kyc`, { documents: DOCUMENTS });

const kycReaches = (api: ApiClient, id: string, state: string) =>
  until(
    `KYC of ${id} reaching ${state}`,
    () => api.get(shapes.cardholder, `/v1/cardholders/${id}`),
    (seen) => seen.kyc.state === state,
    (seen) => `${seen.kyc.state}, submission ${seen.kyc.submission}`,
  );

async function onboard(api: ApiClient, programId: string, recorder: StepRecorder): Promise<string> {
  const approved = await approvedCardholder(api, programId, recorder);
  await recorder.run('person from a denied country refused', async (note) => {
    const refused = await api.refusal('/v1/cardholders', person(programId, 'demo-denied', 'IRN'));
    if (refused.code !== 'country_not_allowed') throw new DemoFailure(`refused for ${refused.code}: ${refused.detail}`);
    note({ answer: `${refused.status} ${refused.code}`, detail: refused.detail });
  });
  await recorder.run('documents asked for again, then approved', async (note) => {
    const { id } = await api.post(shapes.cardholder, '/v1/cardholders', person(programId, 'demo-rui', 'PRT'));
    await api.post(shapes.done, '/v1/simulate/kyc-outcomes', {
      cardholder_id: id,
      outcomes: [
        { outcome: 'resubmission_required', reasons: ['BAD_PROOF_OF_IDENTITY'], message: 'the picture is blurred' },
        { outcome: 'approved' },
      ],
    });
    await submitDocuments(api, id);
    const asked = await kycReaches(api, id, 'resubmission_required');
    await submitDocuments(api, id);
    const seen = await kycReaches(api, id, 'approved');
    note({
      first: `${asked.kyc.state}: ${asked.kyc.message ?? ''}`,
      second: seen.kyc.state,
      submissions: String(seen.kyc.submission),
    });
  });
  return approved;
}

export async function openAccount(
  api: ApiClient,
  ids: { readonly programId: string; readonly cardholderId: string },
  recorder: StepRecorder,
): Promise<{ readonly accountId: string; readonly owner: Hex; readonly cardId: string }> {
  const accountId = await recorder.run('spending account', async (note) => {
    const { id } = await api.post(shapes.withId, '/v1/accounts', {
      program_id: ids.programId,
      cardholder_id: ids.cardholderId,
    });
    note({ account: id });
    return id;
  });
  const cardId = await recorder.run('virtual card issued', async (note) => {
    const { id } = await api.post(shapes.card, '/v1/cards', { account_id: accountId, kind: 'virtual', memo: 'demo' });
    const seen = await until(
      `card ${id} becoming active`,
      () => api.get(shapes.card, `/v1/cards/${id}`),
      (card) => card.state === 'active',
      (card) => card.state,
    );
    note({ card: id, number: `… ${seen.last_four ?? ''}` });
    return id;
  });
  const owner = await recorder.run('deposit address', async (note) => {
    const { address } = await api.post(shapes.depositAddress, `/v1/accounts/${accountId}/deposit-addresses`);
    note({ address });
    return address as Hex;
  });
  return { accountId, owner, cardId };
}

export async function payIn(holding: Cardholding): Promise<void> {
  const { api, accountId, recorder } = holding;
  await recorder.run('deposits of 500 USDC and 1 WETH on chain', async (note) => {
    // Two transactions of the chain that arrive side by side.
    await Promise.all(
      [
        { amount: '500', asset: 'USDC' },
        { amount: '1', asset: 'WETH' },
      ].map(async (amount) => {
        const sent = await api.post(shapes.sentDeposit, '/v1/simulate/deposits', { account_id: accountId, amount });
        const credited = await until(
          `the deposit of ${amount.amount} ${amount.asset} being credited`,
          async () => {
            const list = await api.get(shapes.listOf(shapes.deposit), `/v1/deposits?account_id=${accountId}`);
            return list.data.find((one) => one.transaction_hash === sent.transaction_hash);
          },
          (seen) => seen?.state === 'credited',
          (seen) => seen?.state ?? 'not seen',
        );
        note({ [amount.asset]: `${said(required(credited, 'deposit').amount)} in ${sent.transaction_hash}` });
      }),
    );
    const standing = await standingOf(holding);
    note({ balances: balancesOf(standing) });
  });
}

export async function pledge(holding: Cardholding): Promise<void> {
  const { api, accountId, owner, auditor, recorder } = holding;
  await recorder.run('1 WETH pledged as collateral', async (note) => {
    const { id } = await api.post(shapes.operation, `/v1/accounts/${accountId}/collateral/pledge`, {
      amount: { amount: '1', asset: 'WETH' },
    });
    const seen = await until(
      `pledge ${id} being confirmed`,
      () => api.get(shapes.operation, `/v1/collateral-operations/${id}`),
      (operation) => operation.state === 'confirmed',
      (operation) => operation.state,
    );
    const standing = await standingOf(holding);
    note({
      transaction: seen.transaction_hash ?? '',
      at_the_venue: `${formatDecimal(await auditor.venueCollateral('WETH', owner), 18)} aWETH`,
      collateral: said(standing.credit.collateral_value),
      borrow_limit: said(standing.credit.borrow_limit),
      safe_to_spend: said(standing.safe_to_spend),
    });
  });
}

async function sellPurchase(holding: Cardholding): Promise<void> {
  const { api, accountId, cardId, recorder } = holding;
  await recorder.run('quote of 42.50 USD', async (note) => {
    const quoted = await api.post(shapes.quote, `/v1/accounts/${accountId}/quote`, {
      amount: usd('42.50'),
      mcc: GROCER.mcc,
      card_id: cardId,
    });
    if (!quoted.approvable) throw new DemoFailure('the quote says it would be declined');
    note({
      hold: said(quoted.hold_amount),
      legs: quoted.legs.map((leg) => `${leg.kind} ${said(leg.hold)}`).join(' + '),
      largest: said(quoted.largest_amount),
    });
  });
  const purchase = await recorder.run('purchase of 42.50 USD approved', async (note) => {
    const approved = await buy(holding, '42.50', GROCER);
    note(heldFigures(approved));
    return approved;
  });
  await recorder.run('cleared, sold and paid out', async (note) => {
    const cleared = await clear(holding, purchase.id, '42.50');
    note(await fundedFigures(holding, cleared));
  });
  await recorder.run('books closed with the network', async (note) => {
    note(await settle(holding));
  });
}

async function settle(holding: Cardholding): Promise<Readonly<Record<string, string>>> {
  const { api, programId } = holding;
  const date = new Date().toISOString().slice(0, 10);
  await api.post(shapes.simulatedSettlement, '/v1/simulate/settlements', { date });
  const { id } = await api.post(shapes.settlement, '/v1/settlements', { program_id: programId, date });
  const seen = await until(
    `settlement of ${date} being reconciled`,
    () => api.get(shapes.settlement, `/v1/settlements/${id}`),
    (settlement) => settlement.state === 'reconciled',
    (settlement) => settlement.state,
  );
  return {
    settlement: `${date} ${seen.state}`,
    network: seen.network_amount === null ? '' : said(seen.network_amount),
    ledger: seen.ledger_amount === null ? '' : said(seen.ledger_amount),
    bank_reference: seen.bank_reference ?? '',
  };
}

/** Accepts the credit agreement and has every further purchase funded by a loan. */
export async function borrowFromNowOn(holding: Cardholding): Promise<void> {
  const { api, accountId, recorder } = holding;
  await recorder.run('credit agreement shown and accepted', async (note) => {
    const path = `/v1/accounts/${accountId}/credit-agreement`;
    const shown = await api.get(shapes.agreement, path);
    const accepted = await api.post(shapes.agreement, path, {
      terms_version: shown.terms_version,
      document_sha256: shown.document_sha256,
    });
    note({
      rate: `${percent(shown.venue_rate_bps)} venue + ${percent(shown.spread_bps)} spread a year`,
      accepted: accepted.accepted?.id ?? 'no',
    });
  });
  await recorder.run('account set to borrow', async (note) => {
    await api.put(shapes.withId, `/v1/accounts/${accountId}/funding-policy`, { mode: 'borrow' });
    // The cardholder's address delegates credit after its first pledge: a transaction of its own.
    const standing = await until(
      'credit being delegated',
      () => standingOf(holding),
      (seen) => Number(seen.credit.available.amount) > 0,
      (seen) => `available ${said(seen.credit.available)}`,
    );
    note({ safe_to_spend: said(standing.safe_to_spend) });
  });
}

async function borrowPurchase(holding: Cardholding): Promise<shapes.Authorization> {
  const { owner, auditor, recorder } = holding;
  await borrowFromNowOn(holding);
  const purchase = await recorder.run('purchase of 120 USD approved', async (note) => {
    const approved = await buy(holding, '120.00', RESTAURANT);
    note(heldFigures(approved));
    return approved;
  });
  await recorder.run('cleared at 126 USD with its tip, loan drawn on Aave', async (note) => {
    const debtBefore = await auditor.venueDebt('USDC', owner);
    const cleared = await clear(holding, purchase.id, '126.00');
    note(await fundedFigures(holding, cleared));
    const debt = await auditor.venueDebt('USDC', owner);
    if (debt <= debtBefore) throw new DemoFailure('the chain shows no new debt');
    note({
      debt_token: `${formatDecimal(debt, 6)} USDC owed by ${owner}`,
      ...creditFigures(await standingOf(holding)),
    });
  });
  return purchase;
}

async function declinedPurchase(holding: Cardholding): Promise<void> {
  await holding.recorder.run('purchase above everything declined', async (note) => {
    const { authorization } = await attempt(holding, '9000.00', GROCER);
    if (authorization.state !== 'declined') throw new DemoFailure(`the purchase is ${authorization.state}`);
    note({
      reason: `${authorization.decline?.reason ?? ''}: ${authorization.decline?.text ?? ''}`,
      largest_possible: said(authorization.largest_amount),
    });
  });
}

async function refundPurchase(holding: Cardholding, purchase: shapes.Authorization): Promise<void> {
  const { api, cardId, owner, auditor, recorder } = holding;
  await recorder.run('refund of 50 USD reduces that loan', async (note) => {
    const before = await standingOf(holding);
    const debtBefore = await auditor.venueDebt('USDC', owner);
    await api.post(shapes.reference, '/v1/simulate/refunds', {
      card_id: cardId,
      authorization_id: purchase.id,
      amount: usd('50.00'),
    });
    const refund = await transactionThat(
      holding,
      'the refund being bought back',
      (seen) => seen.kind === 'refund',
      (seen) => seen.parts.length > 0 && seen.parts.every((part) => part.state === 'funded'),
    );
    const after = await standingOf(holding);
    note({
      refund: said(refund.amount),
      debt: `${said(before.credit.debt)} → ${said(after.credit.debt)}`,
      debt_token: `${formatDecimal(debtBefore, 6)} → ${formatDecimal(await auditor.venueDebt('USDC', owner), 6)} USDC`,
    });
  });
}

async function mixedPurchase(holding: Cardholding): Promise<void> {
  const { api, accountId, recorder } = holding;
  await recorder.run('funding policy: keep 300 USDC, then borrow up to 40 % LTV', async () => {
    await api.put(shapes.withId, `/v1/accounts/${accountId}/funding-policy`, {
      mode: 'custom',
      sources: [
        { kind: 'stablecoin', asset: 'USDC', keep: { amount: '300', asset: 'USDC' } },
        { kind: 'loan', ltv_max_bps: 4_000 },
      ],
    });
  });
  await recorder.run('mixed purchase of 320 USD over both sources', async (note) => {
    const approved = await buy(holding, '320.00', GROCER);
    const kinds = new Set(approved.legs.map((leg) => leg.kind));
    if (!kinds.has('stablecoin_sale') || !kinds.has('loan_draw')) {
      throw new DemoFailure(`the purchase has only ${[...kinds].join(', ')}`);
    }
    note(heldFigures(approved));
    const cleared = await clear(holding, approved.id, '320.00');
    note(await fundedFigures(holding, cleared));
  });
}

async function fallingPrice(holding: Cardholding): Promise<void> {
  const { api, recorder } = holding;
  await recorder.run('price of WETH falls by 30 %', async (note) => {
    const before = await standingOf(holding);
    await api.post(shapes.done, '/v1/simulate/prices', { asset: 'WETH', price_usd: '2100.00' });
    const after = await until(
      'the fall reaching the account',
      () => standingOf(holding),
      (seen) => seen.credit.collateral_value.amount !== before.credit.collateral_value.amount,
      (seen) => `collateral ${said(seen.credit.collateral_value)}`,
    );
    note({
      collateral: `${said(before.credit.collateral_value)} → ${said(after.credit.collateral_value)}`,
      ltv: `${before.credit.ltv ?? '–'} → ${after.credit.ltv ?? '–'}`,
      health: `${before.credit.health ?? '–'} → ${after.credit.health ?? '–'}`,
      buffer_used: `${before.credit.buffer_used ?? '–'} → ${after.credit.buffer_used ?? '–'}`,
    });
  });
}

async function repay(holding: Cardholding): Promise<void> {
  const { api, accountId, owner, auditor, recorder } = holding;
  await recorder.run('repayment of 100 USDC', async (note) => {
    const before = await standingOf(holding);
    const { id } = await api.post(shapes.operation, `/v1/accounts/${accountId}/repayments`, {
      amount: { amount: '100', asset: 'USDC' },
    });
    const seen = await until(
      `repayment ${id} being confirmed`,
      () => api.get(shapes.operation, `/v1/repayments/${id}`),
      (repayment) => repayment.state === 'confirmed',
      (repayment) => repayment.state,
    );
    const after = await standingOf(holding);
    note({
      transaction: seen.transaction_hash ?? '',
      debt: `${said(before.credit.debt)} → ${said(after.credit.debt)}`,
      ltv: `${before.credit.ltv ?? '–'} → ${after.credit.ltv ?? '–'}`,
      health: `${before.credit.health ?? '–'} → ${after.credit.health ?? '–'}`,
      debt_token: `${formatDecimal(await auditor.venueDebt('USDC', owner), 6)} USDC`,
    });
  });
}

type Merchant = typeof RESTAURANT | typeof GROCER;

/** A purchase at a merchant, and the authorization it left. */
export async function attempt(
  holding: Cardholding,
  amount: string,
  merchant: Merchant,
): Promise<{ readonly authorization: shapes.Authorization; readonly vendorResult: string }> {
  const { api, cardId } = holding;
  const answer = await api.post(shapes.purchaseAnswer, '/v1/simulate/authorizations', {
    card_id: cardId,
    amount: usd(amount),
    merchant,
    channel: IN_SHOP,
  });
  const id = required(answer.authorization_id, `an authorization of the purchase (${answer.vendor_result})`);
  return {
    authorization: await api.get(shapes.authorization, `/v1/authorizations/${id}`),
    vendorResult: answer.vendor_result,
  };
}

export async function buy(holding: Cardholding, amount: string, merchant: Merchant): Promise<shapes.Authorization> {
  const { authorization, vendorResult } = await attempt(holding, amount, merchant);
  if (authorization.state === 'pending') return authorization;
  const why = authorization.decline === null ? vendorResult : `${authorization.decline.reason}`;
  throw new DemoFailure(`the purchase of ${amount} USD is ${authorization.state}: ${why}`);
}

/** Has the merchant clear the purchase and waits until every part of the clearing is funded. */
async function clear(holding: Cardholding, authorizationId: string, amount: string): Promise<shapes.Transaction> {
  await holding.api.post(shapes.reference, '/v1/simulate/clearings', {
    authorization_id: authorizationId,
    amount: usd(amount),
    final: true,
  });
  return transactionThat(
    holding,
    `the clearing of ${amount} USD being funded`,
    (seen) => seen.kind === 'clearing' && seen.authorization_id === authorizationId,
    (seen) => seen.state !== 'posted' && seen.parts.every((part) => part.state === 'funded'),
  );
}

/** The newest transaction of the account that `is` picks, once it has `reached` what is waited for. */
export async function transactionThat(
  { api, accountId }: Cardholding,
  what: string,
  is: (seen: { kind: string; authorization_id: string | null }) => boolean,
  reached: (seen: shapes.Transaction) => boolean,
): Promise<shapes.Transaction> {
  const seen = await until(
    what,
    async () => {
      const list = await api.get(shapes.listOf(shapes.transactionLine), `/v1/transactions?account_id=${accountId}`);
      const line = list.data.find(is);
      return line === undefined ? null : api.get(shapes.transaction, `/v1/transactions/${line.id}`);
    },
    (transaction) => transaction !== null && reached(transaction),
    (transaction) => (transaction === null ? 'no such transaction' : describeTransaction(transaction)),
  );
  return required(seen, what);
}

function describeTransaction(transaction: shapes.Transaction): string {
  const parts = transaction.parts.map(
    (part) =>
      `${part.kind} ${part.state}` +
      (part.draw === null ? '' : ` (draw ${part.draw.state})`) +
      (part.sale === null
        ? ''
        : ` (sale ${part.sale.state}${part.sale.failure === null ? '' : `: ${part.sale.failure}`})`) +
      part.repayments.map((repayment) => ` (repayment ${repayment.state})`).join(''),
  );
  return `${transaction.state}: ${parts.join(', ')}`;
}

export async function standingOf({ api, accountId }: Cardholding): Promise<shapes.AccountStanding> {
  return api.get(shapes.account, `/v1/accounts/${accountId}`);
}

function heldFigures(authorization: shapes.Authorization): Readonly<Record<string, string>> {
  return {
    authorization: authorization.id,
    hold: `${said(authorization.hold)}: ${authorization.legs.map((leg) => `${leg.kind} ${said(leg.held)}`).join(' + ')}`,
  };
}

async function fundedFigures(
  holding: Cardholding,
  transaction: shapes.Transaction,
): Promise<Readonly<Record<string, string>>> {
  const parts = transaction.parts.map((part) => {
    const gross = part.sale?.gross ?? null;
    const sale = gross === null || part.sale === null ? '' : `, sold ${said(part.sale.sold)} for ${said(gross)}`;
    return `${part.kind} ${said(part.amount)}${sale}`;
  });
  return {
    cleared: said(transaction.amount),
    funded: parts.join(' + '),
    balances: balancesOf(await standingOf(holding)),
  };
}

function creditFigures(standing: shapes.AccountStanding): Readonly<Record<string, string>> {
  const { debt, ltv, health } = standing.credit;
  return { debt: said(debt), ltv: ltv ?? '–', health: health ?? '–' };
}

function balancesOf(standing: shapes.AccountStanding): string {
  return standing.balances.map((balance) => said(balance.available)).join(', ');
}

function percent(bps: number): string {
  return `${formatDecimal(BigInt(bps), 2)} %`;
}
