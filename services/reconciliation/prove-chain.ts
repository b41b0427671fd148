import type { Address, ChainDeployment, ChainReader, LendingVenue, VenuePosition } from '../chain/port';
import { required } from '../shared/assert';
import { sumBigint } from '../shared/money';
import { type Proof, type ShowAmount, sameAmount } from './proof';
import type { NetDebit, OwnAddress } from './reconciliation.repository';

const READS_AT_ONCE = 16;

/** What the ledger says stands on chain, and where to look. */
export interface ChainBooks {
  readonly addresses: readonly OwnAddress[];
  /** Addresses that may have a position at the venue. */
  readonly owners: readonly string[];
  /** Balances of `custody.wallet`, `venue.collateral` and `venue.debt`. */
  readonly balances: readonly NetDebit[];
  readonly unconfirmedDeposits: readonly {
    readonly to_address: string;
    readonly asset: string;
    readonly amount: bigint;
  }[];
}

export interface ChainProofDeps {
  readonly reader: ChainReader;
  readonly venue: LendingVenue;
  readonly deployment: Pick<ChainDeployment, 'chainId' | 'confirmations' | 'tokens'>;
}

/** One place on chain: what the ledger says and what the chain does. */
interface Comparison {
  readonly group: string;
  readonly asset: string;
  readonly address: string;
  readonly expected: bigint;
  readonly found: bigint;
}

/** Every wallet, collateral and debt against the chain, to the unit, all read at one block. */
export async function proveChain(
  deps: ChainProofDeps,
  books: ChainBooks,
  blockNumber: bigint,
  show: ShowAmount,
): Promise<readonly Proof[]> {
  const comparisons = [
    ...(await compareWallets(deps, books, blockNumber)),
    ...(await compareVenue(deps, books, blockNumber)),
  ];
  const groups = new Map<string, Comparison[]>();
  for (const one of comparisons) {
    const key = `${one.group}_${one.asset}`;
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups.entries()]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .flatMap(([name, group]) => {
      const expected = sumBigint(group.map((one) => one.expected));
      const found = sumBigint(group.map((one) => one.found));
      const asset = required(group[0], 'a comparison').asset;
      const wrong = group
        .filter((one) => one.expected !== one.found)
        .map((one) => `${one.address}: ledger ${show(one.expected, asset)}, chain ${show(one.found, asset)}`);
      // Where nothing is and nothing should be, there is nothing to say.
      if (expected === 0n && found === 0n && wrong.length === 0) return [];
      return [sameAmount(`ledger_equals_chain.${name}`, show, asset, { expected, found }, wrong)];
    });
}

async function compareWallets(
  { reader, deployment }: ChainProofDeps,
  books: ChainBooks,
  blockNumber: bigint,
): Promise<readonly Comparison[]> {
  const purposes = new Map(books.addresses.map(({ address, purpose }) => [address.toLowerCase(), purpose]));
  const onLedger = new Map<string, bigint>();
  const add = (address: string, asset: string, amount: bigint): void => {
    const key = `${address.toLowerCase()}|${asset}`;
    onLedger.set(key, (onLedger.get(key) ?? 0n) + amount);
  };
  const prefix = `${deployment.chainId}:`;
  for (const balance of books.balances) {
    if (balance.type !== 'custody.wallet' || !balance.key.startsWith(prefix)) continue;
    const address = balance.key.slice(prefix.length);
    add(address, balance.asset, balance.net_debit);
    // A wallet that only the ledger knows is looked up too.
    if (!purposes.has(address)) purposes.set(address, 'deposit');
  }
  for (const deposit of books.unconfirmedDeposits) add(deposit.to_address, deposit.asset, deposit.amount);
  const places = [...purposes.entries()].flatMap(([address, purpose]) => [
    { address, purpose, asset: 'ETH', token: null },
    ...Object.entries(deployment.tokens).map(([asset, { address: token }]) => ({ address, purpose, asset, token })),
  ]);
  return inBatches(places, async ({ address, purpose, asset, token }) => ({
    group: `${purpose}_wallets`,
    asset,
    address,
    expected: onLedger.get(`${address}|${asset}`) ?? 0n,
    found:
      token === null
        ? await reader.nativeBalance(address as Address, blockNumber)
        : await reader.tokenBalance(token, address as Address, blockNumber),
  }));
}

async function compareVenue(
  { venue }: ChainProofDeps,
  books: ChainBooks,
  blockNumber: bigint,
): Promise<readonly Comparison[]> {
  const prefix = `${venue.venue}:`;
  const ours = books.balances.filter(({ type, key }) => type.startsWith('venue.') && key.startsWith(prefix));
  const addresses = new Set([
    ...books.owners.map((address) => address.toLowerCase()),
    ...ours.map(({ key }) => key.slice(prefix.length)),
  ]);
  const compared = await inBatches([...addresses], async (address) => {
    const position = await venue.position(address as Address, blockNumber);
    const own = ours.filter(({ key }) => key === `${prefix}${address}`);
    return [
      ...compareSide('venue_collateral', 'venue.collateral', address, own, position),
      ...compareSide('venue_debt', 'venue.debt', address, own, position),
    ];
  });
  return compared.flat();
}

function compareSide(
  group: string,
  type: 'venue.collateral' | 'venue.debt',
  address: string,
  balances: readonly NetDebit[],
  position: VenuePosition,
): readonly Comparison[] {
  const onChain = type === 'venue.debt' ? position.debt : position.collateral;
  const onLedger = new Map(
    balances
      .filter((balance) => balance.type === type)
      // A debt stands on the credit side.
      .map(({ asset, net_debit }) => [asset, type === 'venue.debt' ? -net_debit : net_debit]),
  );
  const assets = new Set([...Object.keys(onChain), ...onLedger.keys()]);
  return [...assets].map((asset) => ({
    group,
    asset,
    address,
    expected: onLedger.get(asset) ?? 0n,
    found: onChain[asset] ?? 0n,
  }));
}

async function inBatches<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  for (let from = 0; from < items.length; from += READS_AT_ONCE) {
    results.push(...(await Promise.all(items.slice(from, from + READS_AT_ONCE).map(work))));
  }
  return results;
}
