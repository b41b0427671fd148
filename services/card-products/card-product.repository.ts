import type { Page, PageRequest } from '../database/page';
import { findPage } from '../database/page.repository';
import type { Transaction } from '../database/transaction';
import { required } from '../shared/assert';

/** A row of `card_products`, columns as they are named there. */
export interface CardProductRow {
  readonly organization_id: string;
  readonly id: string;
  readonly program_id: string;
  readonly name: string;
  readonly kind: 'virtual' | 'physical';
  readonly state: 'active' | 'disabled';
  readonly state_reason: string | null;
  readonly created_at: Date;
  readonly updated_at: Date;
}

export async function programExists(trx: Transaction, organizationId: string, programId: string): Promise<boolean> {
  const program: unknown = await trx('programs').where({ organization_id: organizationId, id: programId }).first('id');
  return program !== undefined;
}

/** Undefined: the program has one of this name already. */
export async function insertCardProduct(
  trx: Transaction,
  row: Pick<CardProductRow, 'organization_id' | 'id' | 'program_id' | 'name' | 'kind'>,
): Promise<CardProductRow | undefined> {
  const rows = await trx('card_products')
    .insert(row)
    .onConflict(['organization_id', 'program_id', 'name'])
    .ignore()
    .returning<CardProductRow[]>('*');
  return rows[0];
}

export async function findCardProduct(
  trx: Transaction,
  organizationId: string,
  id: string,
): Promise<CardProductRow | undefined> {
  return trx<CardProductRow>('card_products').where({ organization_id: organizationId, id }).first();
}

export async function lockCardProduct(
  trx: Transaction,
  organizationId: string,
  id: string,
): Promise<CardProductRow | undefined> {
  return trx<CardProductRow>('card_products').where({ organization_id: organizationId, id }).forUpdate().first();
}

export async function hasOtherOfName(trx: Transaction, product: CardProductRow, name: string): Promise<boolean> {
  const other: unknown = await trx('card_products')
    .where({ organization_id: product.organization_id, program_id: product.program_id, name })
    .whereNot({ id: product.id })
    .first('id');
  return other !== undefined;
}

/** The program's version moves with it, by a trigger. */
export async function updateCardProduct(
  trx: Transaction,
  organizationId: string,
  id: string,
  change: Partial<Pick<CardProductRow, 'name' | 'state' | 'state_reason'>>,
): Promise<CardProductRow> {
  const rows = await trx('card_products')
    .where({ organization_id: organizationId, id })
    .update({ ...change, updated_at: trx.fn.now() })
    .returning<CardProductRow[]>('*');
  return required(rows[0], 'the changed card product');
}

export async function findCardProducts(
  trx: Transaction,
  organizationId: string,
  filter: { readonly programId?: string | undefined; readonly state?: CardProductRow['state'] | undefined },
  page: PageRequest,
): Promise<Page<CardProductRow>> {
  return findPage<CardProductRow>(trx, 'card_products', organizationId, page, {
    where: { program_id: filter.programId, state: filter.state },
  });
}
