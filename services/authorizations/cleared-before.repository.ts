import type { Transaction } from '../database/transaction';
import type { PurchaseKey } from './card-event.repository';

/** Whether anything was cleared under the processor's id of a purchase beside the transaction `except`, also before we knew the purchase. */
export async function isClearedBefore(trx: Transaction, key: PurchaseKey, except: string): Promise<boolean> {
  const { organizationId, accountId, vendor, processorAuthorizationId } = key;
  const row = await trx('card_transactions')
    .where({ organization_id: organizationId, account_id: accountId, vendor, kind: 'clearing' })
    .where({ processor_authorization_id: processorAuthorizationId })
    .whereNot({ id: except })
    .first('id');
  return row !== undefined;
}
