import type { Transaction } from '../database/transaction';
import { intentKeyOfTry } from '../treasury/run-call';
import type { StuckKind } from './rules/stuck-kind';

/** Work that goes on only when somebody says so. */
export interface StuckWork {
  readonly kind: StuckKind;
  /** Of the sale order, repayment, deposit or settlement. */
  readonly id: string;
  readonly account_id: string | null;
  readonly state: string;
  readonly reason: string;
  readonly tries: number;
  readonly since: Date;
}

/** The intents of a buy-back or a sweep whose last try that was allowed has failed. */
interface FailedIntent {
  readonly intent_key: string;
  readonly failure: string;
  readonly updated_at: Date;
}

async function failedIntents(
  trx: Transaction,
  organizationId: string,
  keys: readonly string[],
): Promise<ReadonlyMap<string, FailedIntent>> {
  const rows: FailedIntent[] = await trx('chain_intents')
    .where({ organization_id: organizationId })
    .whereIn('intent_key', [...keys])
    .whereIn('state', ['reverted', 'failed'])
    .select('intent_key', 'updated_at', trx.raw('coalesce(failure_detail, state) AS failure'));
  return new Map(rows.map((row) => [row.intent_key, row]));
}

interface Tried {
  readonly id: string;
  readonly account_id: string;
  readonly state: string;
  readonly tries: number;
}

function stuckOf(
  kind: StuckKind,
  rows: readonly Tried[],
  keysOf: (row: Tried) => readonly string[],
  failed: ReadonlyMap<string, FailedIntent>,
): readonly StuckWork[] {
  return rows.flatMap((row) => {
    const intent = keysOf(row)
      .map((key) => failed.get(key))
      .find((each) => each !== undefined);
    if (intent === undefined) return [];
    const { failure: reason, updated_at: since } = intent;
    return [{ kind, id: row.id, account_id: row.account_id, state: row.state, tries: row.tries, reason, since }];
  });
}

const buyBackKeys = ({ id, tries }: Tried) =>
  ['repay', 'transfer'].map((step) => intentKeyOfTry(`repayment:${id}:${step}`, tries));
const sweepKeys = ({ id, tries }: Tried) => [intentKeyOfTry(`deposit:${id}:sweep`, tries)];

/** Everything of an organization that goes on only when somebody says so, `limit` of each kind at most, the oldest first. */
export async function findStuckWork(
  trx: Transaction,
  organizationId: string,
  limit: number,
): Promise<readonly StuckWork[]> {
  const sales: StuckWork[] = await trx('sale_orders')
    .where({ organization_id: organizationId })
    .andWhere((sale) =>
      sale
        .where({ state: 'unknown' })
        .orWhere((spent) => spent.where({ state: 'requested' }).whereRaw('attempt > attempts_allowed')),
    )
    .orderBy('updated_at')
    .limit(limit)
    .select(
      trx.raw("'sale' AS kind"),
      'id',
      'account_id',
      'state',
      trx.raw("coalesce(failure, 'every attempt failed') AS reason"),
      trx.raw("CASE WHEN state = 'unknown' THEN attempt ELSE attempt - 1 END AS tries"),
      'updated_at AS since',
    );
  const settlements: StuckWork[] = await trx('settlements')
    .where({ organization_id: organizationId })
    .whereNotNull('difference')
    // One that is over stays so with a difference that was accepted, but not with books that lack something.
    .andWhere((settlement) => settlement.whereNot('state', 'reconciled').orWhereNotNull('books_difference'))
    .orderBy('updated_at')
    .limit(limit)
    .select(
      trx.raw("'settlement' AS kind"),
      'id',
      trx.raw('NULL::uuid AS account_id'),
      'state',
      'difference AS reason',
      trx.raw('1 AS tries'),
      'updated_at AS since',
    );
  const refunds: Tried[] = await trx('repayments')
    .where({ organization_id: organizationId, source: 'refund', state: 'submitted' })
    .orderBy('updated_at')
    .limit(limit)
    .select('id', 'account_id', 'state', 'attempts_allowed AS tries');
  const unswept: Tried[] = await trx('deposits')
    .where({ organization_id: organizationId, state: 'credited', sweep_transaction_hash: null })
    .orderBy('updated_at')
    .limit(limit)
    .select('id', 'account_id', 'state', 'sweeps_allowed AS tries');
  const keys = [...refunds.flatMap(buyBackKeys), ...unswept.flatMap(sweepKeys)];
  const failed = await failedIntents(trx, organizationId, keys);
  return [
    ...sales,
    ...stuckOf('buy_back', refunds, buyBackKeys, failed),
    ...stuckOf('sweep', unswept, sweepKeys, failed),
    ...settlements,
  ].sort((one, other) => one.since.getTime() - other.since.getTime());
}

/** The same of one piece of work; undefined when it is not stuck. */
export async function findStuck(
  trx: Transaction,
  organizationId: string,
  kind: StuckKind,
  id: string,
): Promise<StuckWork | undefined> {
  const all = await findStuckWork(trx, organizationId, STUCK_MAX);
  return all.find((work) => work.kind === kind && work.id === id);
}

/** More than an operator can look at. */
const STUCK_MAX = 1_000;

/** Allows further tries; a settlement has none to count. */
export async function allowFurtherTries(
  trx: Transaction,
  organizationId: string,
  kind: StuckKind,
  id: string,
  further: number,
): Promise<void> {
  if (kind === 'settlement') return;
  const [table, column, from] = {
    sale: ['sale_orders', 'attempts_allowed', 'attempt - 1'],
    buy_back: ['repayments', 'attempts_allowed', 'attempts_allowed'],
    sweep: ['deposits', 'sweeps_allowed', 'sweeps_allowed'],
  }[kind] as [string, string, string];
  await trx(table)
    .where({ organization_id: organizationId, id })
    .update({ [column]: trx.raw(`${from} + ?::int`, [further]), updated_at: trx.fn.now() });
}

/** Whether there is such a thing at all, stuck or not. */
export async function existsWork(
  trx: Transaction,
  organizationId: string,
  kind: StuckKind,
  id: string,
): Promise<boolean> {
  const table = { sale: 'sale_orders', buy_back: 'repayments', sweep: 'deposits', settlement: 'settlements' }[kind];
  return (await trx(table).where({ organization_id: organizationId, id }).first('id')) !== undefined;
}
