import { compareSettlement, type LedgerItem } from '../../../services/settlement/rules/compare-settlement';

const ours = (messageId: string, amount: bigint, change: Partial<LedgerItem> = {}): LedgerItem => ({
  messageId,
  amount,
  settled: false,
  earlier: false,
  ...change,
});
const theirs = (messageId: string, amount: bigint) => ({ messageIds: [messageId], amount });

it('agrees when every movement does, refunds below zero', () => {
  expect(compareSettlement([theirs('a', 500n), theirs('b', -800n)], [ours('b', -800n), ours('a', 500n)])).toEqual({
    ledgerAmount: -300n,
    difference: null,
  });
  expect(compareSettlement([], [])).toEqual({ ledgerAmount: 0n, difference: null });
});

it('adds up the events that one movement stands for', () => {
  const network = [{ messageIds: ['a', 'b'], amount: 700n }];
  expect(compareSettlement(network, [ours('a', 500n), ours('b', 200n)])).toEqual({
    ledgerAmount: 700n,
    difference: null,
  });
});

it('leaves what came after the cut-off of the day to the next, but misses what is older', () => {
  const network = [theirs('a', 500n)];
  expect(compareSettlement(network, [ours('a', 500n), ours('late', 100n)])).toEqual({
    ledgerAmount: 500n,
    difference: null,
  });
  expect(compareSettlement(network, [ours('a', 500n), ours('old', 100n, { earlier: true })])).toEqual({
    ledgerAmount: 600n,
    difference: '1 not in the report (old)',
  });
});

it('finds errors that cancel out in the sums', () => {
  const found = compareSettlement(
    [theirs('a', 400n), theirs('x', 100n)],
    [ours('a', 400n), ours('old', 100n, { earlier: true })],
  );
  expect(found).toEqual({ ledgerAmount: 500n, difference: '1 not on the ledger (x); 1 not in the report (old)' });
  expect(compareSettlement([theirs('a', 1n), theirs('b', 3n)], [ours('a', 2n), ours('b', 2n)]).difference).toBe(
    '2 of another amount on the ledger (a, b)',
  );
});

it('does not pay a movement twice', () => {
  const again = compareSettlement([theirs('a', 500n)], [ours('a', 500n, { settled: true })]);
  expect(again).toEqual({ ledgerAmount: 0n, difference: '1 settled before (a)' });
  expect(compareSettlement([theirs('a', 500n), theirs('a', 500n)], [ours('a', 500n)]).difference).not.toBeNull();
});
