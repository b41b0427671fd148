import { type AssetCatalog, moneyJson } from '../assets/load-asset-catalog';
import type { AssetCode, BaseUnits } from '../shared/money';

/** One statement about the books, what would make it true and what was found. */
export interface Proof {
  /** Words with underscores, and after a point what it is about: `ledger_equals_chain.treasury_USDC`. */
  readonly name: string;
  readonly ok: boolean;
  readonly expected: string;
  readonly found: string;
  /** What differs, line by line; for people. */
  readonly detail: readonly string[];
}

export type ShowAmount = (amount: BaseUnits, asset: AssetCode) => string;

/** `12.34 USD` */
export function showAmounts(assets: AssetCatalog): ShowAmount {
  return (amount, asset) => `${moneyJson(assets, amount, asset).amount} ${asset}`;
}

/** True when nothing is on the list of what is wrong. */
export function nothingWrong(name: string, wrong: readonly string[], looked?: string): Proof {
  return {
    name,
    ok: wrong.length === 0,
    expected: '0',
    found: String(wrong.length),
    detail: wrong.length === 0 && looked !== undefined ? [looked] : wrong,
  };
}

/** True when two amounts are the same to the unit. */
export function sameAmount(
  name: string,
  show: ShowAmount,
  asset: AssetCode,
  amounts: { readonly expected: BaseUnits; readonly found: BaseUnits },
  wrong: readonly string[] = [],
): Proof {
  return {
    name,
    ok: amounts.expected === amounts.found && wrong.length === 0,
    expected: show(amounts.expected, asset),
    found: show(amounts.found, asset),
    detail: wrong,
  };
}

/** What somebody else has to say and did not: never a silent pass. */
export function notAnswered(name: string, expected: string, detail: string): Proof {
  return { name, ok: false, expected, found: 'no answer', detail: [detail] };
}
