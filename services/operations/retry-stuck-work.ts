import type { Transaction } from '../database/transaction';
import { appendCommand } from '../outbox/append-command';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import type { WorkflowType } from '../temporal/port';
import type { StuckKind } from './rules/stuck-kind';
import { allowFurtherTries, existsWork, findStuck, type StuckWork } from './stuck-work.repository';

interface Carrier {
  readonly workflowType: WorkflowType;
  readonly prefix: string;
  readonly key: string;
  readonly signal: string;
  /** Tries that an operator's word adds. */
  readonly further: number;
}

const CARRIERS: Readonly<Record<StuckKind, Carrier>> = {
  sale: { workflowType: 'fundSale', prefix: 'sale:', key: 'postingId', signal: 'offRampHint', further: 3 },
  buy_back: {
    workflowType: 'repayLoan',
    prefix: 'repayment:',
    key: 'repaymentId',
    signal: 'repaymentChanged',
    further: 1,
  },
  sweep: { workflowType: 'creditDeposit', prefix: 'deposit:', key: 'depositId', signal: 'depositSeen', further: 1 },
  settlement: {
    workflowType: 'settleNetwork',
    prefix: 'settlement:',
    key: 'settlementId',
    signal: 'settlementChanged',
    further: 0,
  },
};

/**
 * An operator's word to try again: stuck work gets further tries, with orders and chain intents of their own, and its workflow is told. A
 * sale whose fate is unclear is only asked after again: its tokens are at the vendor.
 */
export async function retryStuckWork(
  trx: Transaction,
  input: { readonly organizationId: string; readonly kind: StuckKind; readonly id: string },
): Promise<Result<StuckWork, Refusal>> {
  const { organizationId, kind, id } = input;
  const work = await findStuck(trx, organizationId, kind, id);
  if (work === undefined) {
    return (await existsWork(trx, organizationId, kind, id))
      ? err(refusal('state_conflict', 'it is not stuck: it goes on by itself, or is over'))
      : err(refusal('not_found', 'there is no such work'));
  }
  const { workflowType, prefix, key, signal, further } = CARRIERS[kind];
  if (work.state !== 'unknown') await allowFurtherTries(trx, organizationId, kind, id, further);
  const workflowId = `${prefix}${id}`;
  const payload = { organizationId, [key]: id };
  await appendCommand(trx, { organizationId, workflowType, workflowId, signal, payload });
  return ok(work);
}
