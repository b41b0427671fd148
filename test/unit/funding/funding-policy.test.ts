import {
  type FundingPolicy,
  type FundingSource,
  fundingPolicyForMode,
  fundingPolicyFromStored,
  fundingPolicyToStored,
  fundingProblem,
  stablecoinsByPreference,
} from '../../../services/funding/rules/funding-policy';

const program = { stablecoins: ['USDC', 'EURC'], creditEnabled: true };
const usdc: FundingSource = { kind: 'stablecoin', asset: 'USDC', keep: 0n };
const eurc: FundingSource = { kind: 'stablecoin', asset: 'EURC', keep: 0n };
const loan: FundingSource = { kind: 'loan', ltvMaxBps: null };

describe('the order of a mode', () => {
  const PEGS: Readonly<Record<string, string>> = { USDC: 'USD', USDX: 'USD', EURC: 'EUR', GBPX: 'GBP' };
  const peggedTo = (asset: string) => PEGS[asset] ?? null;

  test('the card’s own currency first, the others by cost, as listed where that is the same', () => {
    const listed = ['GBPX', 'EURC', 'USDX', 'USDC'];
    expect(stablecoinsByPreference(listed, 'USD', peggedTo)).toEqual(['USDX', 'USDC', 'GBPX', 'EURC']);
    expect(stablecoinsByPreference(listed, 'USD', peggedTo, { GBPX: 40, EURC: 15, USDX: 90 })).toEqual([
      'USDX',
      'USDC',
      'EURC',
      'GBPX',
    ]);
    expect(stablecoinsByPreference(listed, 'EUR', peggedTo)[0]).toBe('EURC');
  });

  test('`sell` sells, `borrow` borrows, `automatic` borrows for what the stablecoins do not cover', () => {
    const order = (mode: 'sell' | 'borrow' | 'automatic') =>
      fundingPolicyForMode(mode, ['USDC', 'EURC']).sources.map((each) => (each.kind === 'loan' ? 'loan' : each.asset));
    expect(order('sell')).toEqual(['USDC', 'EURC']);
    expect(order('borrow')).toEqual(['loan']);
    expect(order('automatic')).toEqual(['USDC', 'EURC', 'loan']);
  });
});

describe('a stored policy', () => {
  test('reads back as it was, ceilings or not', () => {
    const policies: FundingPolicy[] = [
      { mode: 'custom', sources: [usdc, loan] },
      {
        mode: 'custom',
        sources: [
          { ...usdc, keep: 200_000_000n, maxPerPurchase: 5_000n, maxShareBps: 7_500 },
          { ...loan, ltvMaxBps: 4_000, maxDebt: 900_000_000n, maxPerPurchase: 100_000n },
        ],
      },
    ];
    for (const policy of policies) {
      expect(fundingPolicyFromStored(JSON.parse(JSON.stringify(fundingPolicyToStored(policy))))).toEqual(policy);
    }
  });

  test('one from before ceilings existed has none', () => {
    const stored = {
      mode: 'custom' as const,
      sources: [
        { kind: 'stablecoin' as const, asset: 'USDC', keep: '200000000' },
        { kind: 'loan' as const, ltv_max_bps: 4_000 },
      ],
    };
    expect(fundingPolicyFromStored(stored).sources).toEqual([
      { kind: 'stablecoin', asset: 'USDC', keep: 200_000_000n },
      { kind: 'loan', ltvMaxBps: 4_000 },
    ]);
  });
});

describe('a list of sources is refused', () => {
  test.each<[string, readonly FundingSource[], string, RegExp]>([
    ['without a source', [], '/sources', /at least one/],
    ['with a coin twice', [usdc, eurc, usdc], '/sources/2', /USDC is named twice.*one source/],
    ['with the loan twice', [loan, usdc, loan], '/sources/2', /the loan is named twice/],
    [
      'with a coin the program does not spend',
      [{ ...usdc, asset: 'DAI' }],
      '/sources/0/asset',
      /DAI: use one of USDC, EURC/,
    ],
    [
      'whose shares cover no purchase',
      [
        { ...usdc, maxShareBps: 6_000 },
        { ...loan, maxShareBps: 3_999 },
      ],
      '/sources',
      /9999 basis points.*raise them/,
    ],
  ])('%s, naming the mend', (_, sources, pointer, detail) => {
    const problem = fundingProblem(sources, program);
    expect(problem).toMatchObject({ code: 'invalid_parameter', pointer });
    expect(problem?.detail).toMatch(detail);
  });

  test('with a loan where the program gives no credit', () => {
    expect(fundingProblem([usdc, loan], { ...program, creditEnabled: false })).toMatchObject({
      code: 'credit_not_enabled',
      pointer: '/sources/1',
    });
  });

  test('and not when its shares add up, or one source has none', () => {
    expect(
      fundingProblem(
        [
          { ...usdc, maxShareBps: 5_000 },
          { ...loan, maxShareBps: 5_000 },
        ],
        program,
      ),
    ).toBeNull();
    expect(fundingProblem([{ ...usdc, maxShareBps: 1 }, loan], program)).toBeNull();
  });
});
