import type { Knex } from 'knex';
import { inOrganization } from '../database/transaction';
import type { Clock } from '../shared/clock';
import { collectOverdue } from './collect-overdue';
import { type CollectableAccount, findCollectableAccounts } from './funding.repository';

export interface SweepOverdueDeps {
  readonly knex: Knex;
  /** Pool of the role `worker`: it looks at all organizations at once. */
  readonly workerKnex: Knex;
  readonly clock: Clock;
  readonly offRampVendor: string;
  /** Told of an account that could not be collected from; the others are collected all the same. */
  readonly failed: (account: CollectableAccount, error: unknown) => void;
}

const BATCH = 500;

/**
 * Collects what is overdue from accounts that have stablecoins free. A deposit is collected from at once; this finds what became free
 * otherwise (a hold that ended, a refund, a price that is known again). Safe to repeat. Returns how many accounts it looked at.
 */
export async function sweepOverdue(deps: SweepOverdueDeps): Promise<number> {
  const accounts = await findCollectableAccounts(deps.workerKnex, BATCH);
  for (const account of accounts) {
    const { organization_id: organizationId, id: accountId } = account;
    try {
      await inOrganization(deps.knex, organizationId, (trx) =>
        collectOverdue(trx, deps, { organizationId, accountId }),
      );
    } catch (error) {
      deps.failed(account, error);
    }
  }
  return accounts.length;
}
