import type { OpenPosition } from '../ledger/ledger-report.repository';
import { maxBigint, sumBigint } from '../shared/money';
import type { Proof, ShowAmount } from './proof';
import type { NetDebit, OwnAddress } from './reconciliation.repository';

export interface ClientMoneyBooks {
  readonly addresses: readonly OwnAddress[];
  /** Balances of `custody.wallet`, `offramp.transit`, `venue.collateral`, `cardholder.funds` and `cardholder.collateral`. */
  readonly balances: readonly NetDebit[];
  readonly positions: readonly OpenPosition[];
}

/**
 * Ledger decision 5: for each token, wallets that are not the organization's own, what is at the off-ramp, and what refunds have still to
 * buy back are at least what cardholders may spend; and the collateral at the venue is at least what they pledged.
 */
export function proveClientMoney(books: ClientMoneyBooks, show: ShowAmount): readonly Proof[] {
  const own = books.addresses
    .filter(({ purpose }) => purpose === 'operating')
    .map(({ address }) => address.toLowerCase());
  const isOwn = (key: string): boolean => own.some((address) => key.endsWith(`:${address}`));
  const sumOf = (type: NetDebit['type'], asset: string): bigint =>
    sumBigint(
      books.balances
        .filter((balance) => balance.type === type && balance.asset === asset)
        .filter(({ key }) => type !== 'custody.wallet' || !isOwn(key))
        .map(({ net_debit }) => net_debit),
    );
  const assetsOf = (type: NetDebit['type']): readonly string[] => [
    ...new Set(books.balances.filter((balance) => balance.type === type).map(({ asset }) => asset)),
  ];
  const funds = assetsOf('cardholder.funds').map((asset) => {
    const owed = -sumOf('cardholder.funds', asset);
    const toBuyBack = sumBigint(
      books.positions.filter((position) => position.asset === asset).map(({ open_debit }) => maxBigint(open_debit, 0n)),
    );
    const held = sumOf('custody.wallet', asset) + sumOf('offramp.transit', asset) + toBuyBack;
    return covered(`client_money_covered.${asset}`, show, asset, owed, held);
  });
  const collateral = assetsOf('cardholder.collateral').map((asset) =>
    covered(
      `client_collateral_covered.${asset}`,
      show,
      asset,
      -sumOf('cardholder.collateral', asset),
      sumOf('venue.collateral', asset),
    ),
  );
  return [...funds, ...collateral];
}

function covered(name: string, show: ShowAmount, asset: string, owed: bigint, held: bigint): Proof {
  return { name, ok: held >= owed, expected: `at least ${show(owed, asset)}`, found: show(held, asset), detail: [] };
}
