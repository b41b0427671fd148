import type { Page, PageRequest } from '../database/page';
import { findPage } from '../database/page.repository';
import type { Transaction } from '../database/transaction';
import type { TaxDisposalRow, TaxLotRow } from './tax.repository';

export type { TaxDisposalRow, TaxLotRow };

interface TaxListInput {
  readonly organizationId: string;
  readonly accountId?: string | undefined;
  readonly asset?: string | undefined;
  readonly page: PageRequest;
}

/** What accounts acquired and at which basis, newest first. */
export async function listTaxLots(trx: Transaction, input: TaxListInput): Promise<Page<TaxLotRow>> {
  const { organizationId, accountId, asset, page } = input;
  return findPage<TaxLotRow>(trx, 'tax_lots', organizationId, page, {
    where: { account_id: accountId, asset },
    timeColumn: 'acquired_at',
  });
}

/** What accounts disposed of, newest first: sales and repayments in crypto; a draw is none. */
export async function listTaxDisposals(trx: Transaction, input: TaxListInput): Promise<Page<TaxDisposalRow>> {
  const { organizationId, accountId, asset, page } = input;
  return findPage<TaxDisposalRow>(trx, 'tax_disposals', organizationId, page, {
    where: { account_id: accountId, asset },
    timeColumn: 'disposed_at',
  });
}
