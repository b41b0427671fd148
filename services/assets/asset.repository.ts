import type { Knex } from 'knex';
import type { Asset } from '../shared/money';

export async function findAssets(knex: Knex): Promise<Asset[]> {
  return knex<Asset>('assets').select('code', 'decimals', 'kind', { peggedTo: 'pegged_to' }).orderBy('code');
}
