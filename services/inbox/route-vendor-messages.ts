import type { Transaction } from '../database/transaction';
import { insertVendorRoute } from './vendor-route.repository';

/** Lets later messages of `vendor` that name `reference` find the organization and resource they are about. */
export async function routeVendorMessages(
  trx: Transaction,
  route: {
    readonly vendor: string;
    /** The vendor's id, or ours that the vendor carries. */
    readonly reference: string;
    readonly organizationId: string;
    readonly resourceId: string;
  },
): Promise<void> {
  await insertVendorRoute(trx, {
    vendor: route.vendor,
    reference: route.reference,
    organization_id: route.organizationId,
    resource_id: route.resourceId,
  });
}
