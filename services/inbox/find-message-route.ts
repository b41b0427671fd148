import type { Knex } from 'knex';
import { findVendorRoute } from './vendor-route.repository';

export interface MessageRoute {
  readonly organizationId: string;
  readonly resourceId: string;
}

/** What a vendor's message that names `reference` is about; null when nothing was routed there. */
export async function findMessageRoute(knex: Knex, vendor: string, reference: string): Promise<MessageRoute | null> {
  const route = await findVendorRoute(knex, vendor, reference);
  return route === undefined ? null : { organizationId: route.organization_id, resourceId: route.resource_id };
}
