import type { Knex } from 'knex';
import { required } from '../shared/assert';
import { type Asset, type AssetCode, type BaseUnits, formatDecimal } from '../shared/money';
import { findAssets } from './asset.repository';

/** The assets there are. They change with a migration only, so a process reads them once. */
export type AssetCatalog = ReadonlyMap<AssetCode, Asset>;

export async function loadAssetCatalog(knex: Knex): Promise<AssetCatalog> {
  const assets = await findAssets(knex);
  return new Map(assets.map((asset) => [asset.code, asset]));
}

/** The asset, which must exist: for codes out of our own rows. */
export function assetOf(catalog: AssetCatalog, code: AssetCode): Asset {
  return required(catalog.get(code), `asset ${code}`);
}

/** An amount as JSON carries it: decimal string with all digits of the asset. */
export interface MoneyJson {
  readonly amount: string;
  readonly asset: string;
}

export function moneyJson(catalog: AssetCatalog, amount: BaseUnits, asset: AssetCode): MoneyJson {
  return { amount: formatDecimal(amount, assetOf(catalog, asset).decimals), asset };
}
