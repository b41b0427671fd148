import type { Knex } from 'knex';
import type { AssetCatalog } from '../assets/load-asset-catalog';
import { accrueAccount } from '../credit/accrue-interest';
import { inOrganization } from '../database/transaction';
import type { LedgerAccountType } from '../ledger/draft';
import { assetTotals, openPositions, recomputeBalances } from '../ledger/ledger-report.repository';
import { appendEvent } from '../outbox/append-event';
import type { BankStatements, OffRamp } from '../providers/off-ramp/port';
import type { Processor } from '../providers/processor/port';
import type { Clock } from '../shared/clock';
import { bookFinishedGas } from '../treasury/book-gas';
import { type Proof, showAmounts } from './proof';
import { proveBank } from './prove-bank';
import { type ChainProofDeps, proveChain } from './prove-chain';
import { proveClientMoney } from './prove-client-money';
import { proveLedger } from './prove-ledger';
import { proveNetwork } from './prove-network';
import { proveOffRamp } from './prove-off-ramp';
import {
  accountsWithAddress,
  aggregateDifferences,
  bankReferences,
  chainCallsOnTheirWay,
  ledgerMark,
  netDebits,
  ownAddresses,
  programNetworkLines,
  saleLines,
  unconfirmedDeposits,
  unfinishedLegs,
} from './reconciliation.repository';

export interface ReconciliationDeps extends ChainProofDeps {
  /** Pool of the role `app`. */
  readonly knex: Knex;
  readonly clock: Clock;
  readonly assets: AssetCatalog;
  readonly bank: BankStatements;
  readonly offRamp: OffRamp;
  readonly processor: Processor;
}

export interface Reconciliation {
  readonly ok: boolean;
  /** The block at which ledger and chain were compared. */
  readonly blockNumber: bigint;
  readonly proofs: readonly Proof[];
}

/** Ledger accounts that something outside, or a promise to cardholders, stands against. */
const COMPARED: readonly LedgerAccountType[] = [
  'custody.wallet',
  'venue.collateral',
  'venue.debt',
  'offramp.transit',
  'bank.settlement',
  'network.payable',
  'cardholder.funds',
  'cardholder.collateral',
];

const ATTEMPTS = 5;
const ATTEMPT_INTERVAL_MS = 1_500;

/** Each is one statement over rows that change together: nothing on its way can make it false. */
const FINAL: ReadonlySet<string> = new Set([
  'assets_sum_to_zero',
  'balances_equal_transfers',
  'account_figures_equal_rows',
]);

interface Look extends Reconciliation {
  /** Nothing was on its way to the chain, and the ledger stood still from before the block was chosen until everybody was asked. */
  readonly still: boolean;
  readonly mark: bigint;
}

/**
 * Proves an organization's books: against themselves, the chain at one block after interest was accrued there, the lending venue, the bank,
 * the off-ramp and the network. What is on its way while it looks is not a break, so a look that found one looks again: until two looks
 * at books that stand still agree, or they never do. A break is also told as the event `reconciliation.broken`.
 */
export async function runProofs(
  deps: ReconciliationDeps,
  input: { readonly organizationId: string; readonly intervalMs?: number },
): Promise<Reconciliation> {
  let former: Look | null = null;
  for (let attempt = 1; ; attempt += 1) {
    const look = await lookOnce(deps, input.organizationId);
    const final = look.proofs.some(({ ok, name }) => !ok && FINAL.has(name));
    const settled = look.still && former?.still === true && look.mark === former.mark && sameBreaks(look, former);
    if (look.ok || final || settled || attempt === ATTEMPTS) {
      const { ok, blockNumber, proofs } = look;
      if (!ok) await tellBroken(deps, input.organizationId, look);
      return { ok, blockNumber, proofs };
    }
    former = look;
    await new Promise((resolve) => setTimeout(resolve, input.intervalMs ?? ATTEMPT_INTERVAL_MS));
  }
}

async function tellBroken(
  { knex }: ReconciliationDeps,
  organizationId: string,
  { blockNumber, proofs }: Reconciliation,
): Promise<void> {
  const broken = proofs.filter(({ ok }) => !ok).map(({ name, expected, found }) => ({ name, expected, found }));
  await inOrganization(knex, organizationId, (trx) =>
    appendEvent(trx, {
      organizationId,
      type: 'reconciliation.broken',
      resourceKind: 'organization',
      resourceId: organizationId,
      data: { block_number: blockNumber.toString(), broken },
    }),
  );
}

function sameBreaks(one: Reconciliation, other: Reconciliation): boolean {
  const breaks = ({ proofs }: Reconciliation) => JSON.stringify(proofs.filter(({ ok }) => !ok));
  return breaks(one) === breaks(other);
}

async function lookOnce(deps: ReconciliationDeps, organizationId: string): Promise<Look> {
  const { knex, reader } = deps;
  // What landed a moment ago and the sweeper has not come to yet.
  await bookFinishedGas(deps, { organizationId });
  const before = await inOrganization(knex, organizationId, async (trx) => ({
    mark: await ledgerMark(trx, organizationId),
    accounts: await accountsWithAddress(trx, organizationId),
    // Before interest is booked, because that sums an account's figures again.
    aggregates: await aggregateDifferences(trx, organizationId),
    onTheirWay: await chainCallsOnTheirWay(trx, organizationId),
  }));
  const { number: blockNumber } = await reader.head();
  for (const { id: accountId } of before.accounts) {
    await accrueAccount(deps, { organizationId, accountId, blockNumber });
  }
  const books = await readBooks(deps, organizationId, blockNumber);
  const show = showAmounts(deps.assets);
  const proofs = [
    ...proveLedger({ ...books, aggregates: before.aggregates }, show),
    ...(await proveChain(deps, { ...books, owners: before.accounts.map(({ address }) => address) }, blockNumber, show)),
    ...proveClientMoney(books, show),
    ...(await proveBank(deps.bank, books, show)),
    ...(await proveOffRamp(deps.offRamp, books, show)),
    ...(await proveNetwork(deps.processor, books, deps.clock.now(), show)),
  ];
  const after = await inOrganization(knex, organizationId, (trx) => ledgerMark(trx, organizationId));
  const still = before.mark === after && before.onTheirWay === 0n;
  return { ok: proofs.every(({ ok }) => ok), blockNumber, proofs, still, mark: after };
}

async function readBooks(deps: ReconciliationDeps, organizationId: string, blockNumber: bigint) {
  const { deployment, knex, processor } = deps;
  return inOrganization(knex, organizationId, async (trx) => ({
    totals: await assetTotals(trx, organizationId),
    differences: await recomputeBalances(trx, organizationId),
    positions: await openPositions(trx, organizationId),
    unfinishedLegs: await unfinishedLegs(trx, organizationId),
    balances: await netDebits(trx, organizationId, COMPARED),
    addresses: await ownAddresses(trx, organizationId, deployment.chainId),
    unconfirmedDeposits: await unconfirmedDeposits(trx, organizationId, blockNumber),
    references: await bankReferences(trx, organizationId),
    sales: await saleLines(trx, organizationId),
    programs: await programNetworkLines(trx, organizationId, processor.vendor),
  }));
}
