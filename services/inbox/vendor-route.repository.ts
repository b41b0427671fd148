import type { Knex } from 'knex';
import type { Transaction } from '../database/transaction';

export interface VendorRoute {
  readonly vendor: string;
  /** The vendor's id, or ours that the vendor carries. */
  readonly reference: string;
  readonly organization_id: string;
  readonly resource_id: string;
}

/** From what a vendor's message names to the organization and resource it is about. The same route again changes nothing. */
export async function insertVendorRoute(trx: Transaction, route: VendorRoute): Promise<void> {
  await trx('vendor_routes').insert(route).onConflict(['vendor', 'reference']).ignore();
}

/** Before any organization is set: the table belongs to none. */
export async function findVendorRoute(knex: Knex, vendor: string, reference: string): Promise<VendorRoute | undefined> {
  return knex('vendor_routes').where({ vendor, reference }).first<VendorRoute | undefined>();
}
