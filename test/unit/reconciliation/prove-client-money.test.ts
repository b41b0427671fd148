import type { LedgerAccountType } from '../../../services/ledger/draft';
import { proveClientMoney } from '../../../services/reconciliation/prove-client-money';

const OWN = '0x00000000000000000000000000000000000000Aa';
const TREASURY = '0x00000000000000000000000000000000000000bb';
const addresses = [
  { address: OWN, purpose: 'operating' as const },
  { address: TREASURY, purpose: 'treasury' as const },
];
const show = (amount: bigint, asset: string) => `${amount} ${asset}`;
const balance = (type: LedgerAccountType, key: string, net_debit: bigint, asset = 'USDC') => ({
  type,
  key: key.toLowerCase(),
  asset,
  net_debit,
});
const funds = (amount: bigint) => balance('cardholder.funds', 'account', -amount);

function proof(balances: readonly ReturnType<typeof balance>[], openDebits: readonly bigint[] = []) {
  const positions = openDebits.map((open_debit) => ({ leg_id: null, asset: 'USDC', open_debit }));
  return proveClientMoney({ addresses, balances, positions }, show);
}

describe('client money', () => {
  it('is covered at the unit and not one below', () => {
    const treasury = (amount: bigint) => balance('custody.wallet', `1:${TREASURY}`, amount);
    expect(proof([funds(100n), treasury(100n)])).toMatchObject([{ ok: true, name: 'client_money_covered.USDC' }]);
    expect(proof([funds(100n), treasury(99n)])).toMatchObject([
      { ok: false, expected: 'at least 100 USDC', found: '99 USDC' },
    ]);
  });

  it('is not covered by what the organization owns', () => {
    expect(proof([funds(100n), balance('custody.wallet', `1:${OWN}`, 1_000n)])).toMatchObject([{ ok: false }]);
  });

  it('counts what is on its way at the off-ramp, and what a refund has still to buy back', () => {
    expect(proof([funds(100n), balance('offramp.transit', 'order', 60n)], [40n])).toMatchObject([{ ok: true }]);
    expect(proof([funds(100n), balance('offramp.transit', 'order', 60n)], [39n])).toMatchObject([{ ok: false }]);
  });

  it('is not lessened by what a sale has taken and not sold yet', () => {
    expect(proof([funds(100n), balance('custody.wallet', `1:${TREASURY}`, 100n)], [-40n])).toMatchObject([
      { ok: true },
    ]);
  });

  it('of one token does not cover another', () => {
    expect(
      proof([funds(100n), balance('custody.wallet', `1:${TREASURY}`, 500n, 'EURC')]).find(({ name }) =>
        name.endsWith('USDC'),
      ),
    ).toMatchObject({ ok: false, found: '0 USDC' });
  });

  it('pledged stands at the venue', () => {
    const pledged = balance('cardholder.collateral', 'account', -5n, 'WETH');
    const atVenue = (amount: bigint) => balance('venue.collateral', 'aave_v3:0xcc', amount, 'WETH');
    expect(proof([pledged, atVenue(5n)])).toMatchObject([{ ok: true, name: 'client_collateral_covered.WETH' }]);
    expect(proof([pledged, atVenue(4n)])).toMatchObject([{ ok: false }]);
  });
});
