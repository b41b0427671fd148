import { next as nextDeposit } from '../../../services/deposits/rules/deposit-state';
import { type ChainOrderState, next as nextChainOrder } from '../../../services/funding/rules/chain-order-state';
import { next as nextSale } from '../../../services/funding/rules/sale-state';
import { next as nextSettlement } from '../../../services/settlement/rules/settlement-state';

describe('sale order', () => {
  it('goes from sent to paid out', () => {
    expect(nextSale('requested', 'tokensSent')).toEqual({ kind: 'changed', state: 'submitted' });
    expect(nextSale('submitted', 'paidOut')).toEqual({ kind: 'changed', state: 'paid_out' });
    expect(nextSale('paid_out', 'paidOut')).toEqual({ kind: 'alreadyApplied', state: 'paid_out' });
  });

  it('is tried again only when the tokens are ours', () => {
    expect(nextSale('requested', 'retried').kind).toBe('changed');
    expect(nextSale('returned', 'retried')).toEqual({ kind: 'changed', state: 'requested' });
    expect(nextSale('submitted', 'retried').kind).toBe('refused');
    expect(nextSale('unknown', 'retried').kind).toBe('refused');
    expect(nextSale('paid_out', 'retried').kind).toBe('refused');
  });

  it('comes out of the unknown by what the vendor says later', () => {
    expect(nextSale('submitted', 'fateUnclear')).toEqual({ kind: 'changed', state: 'unknown' });
    expect(nextSale('unknown', 'tokensSent')).toEqual({ kind: 'changed', state: 'submitted' });
    expect(nextSale('unknown', 'paidOut')).toEqual({ kind: 'changed', state: 'paid_out' });
    expect(nextSale('unknown', 'tokensReturned')).toEqual({ kind: 'changed', state: 'returned' });
  });

  it('never returns what was paid out', () => {
    expect(nextSale('paid_out', 'tokensReturned').kind).toBe('refused');
  });
});

describe('order on chain', () => {
  it('is confirmed once submitted, and asked for again after a reorg', () => {
    expect(nextChainOrder('requested', 'submitted')).toEqual({ kind: 'changed', state: 'submitted' });
    expect(nextChainOrder('submitted', 'confirmed')).toEqual({ kind: 'changed', state: 'confirmed' });
    expect(nextChainOrder('confirmed', 'reorged')).toEqual({ kind: 'changed', state: 'requested' });
    expect(nextChainOrder('submitted', 'reorged').kind).toBe('refused');
  });

  it('fails for good only once', () => {
    expect(nextChainOrder('submitted', 'gaveUp')).toEqual({ kind: 'changed', state: 'failed' });
    expect(nextChainOrder('failed', 'gaveUp')).toEqual({ kind: 'alreadyApplied', state: 'failed' });
    for (const event of ['submitted', 'confirmed', 'attemptEnded', 'reorged'] as const) {
      expect(nextChainOrder('failed', event).kind).toBe('refused');
    }
  });

  it('never fails after it was confirmed', () => {
    const events = ['gaveUp', 'attemptEnded'] as const;
    for (const event of events) expect(nextChainOrder('confirmed', event).kind).toBe('refused');
  });

  it('gives the same answer to a repeated event', () => {
    const repeated: readonly [ChainOrderState, 'submitted' | 'confirmed'][] = [
      ['submitted', 'submitted'],
      ['confirmed', 'confirmed'],
    ];
    for (const [state, event] of repeated)
      expect(nextChainOrder(state, event)).toEqual({ kind: 'alreadyApplied', state });
  });
});

describe('deposit', () => {
  it('is confirmed before it is credited', () => {
    expect(nextDeposit('seen', 'credited').kind).toBe('refused');
    expect(nextDeposit('seen', 'confirmed')).toEqual({ kind: 'changed', state: 'confirmed' });
    expect(nextDeposit('confirmed', 'credited')).toEqual({ kind: 'changed', state: 'credited' });
  });

  it('is dropped only before it is confirmed, and revived when mined again', () => {
    expect(nextDeposit('seen', 'vanished')).toEqual({ kind: 'changed', state: 'dropped' });
    expect(nextDeposit('dropped', 'seenAgain')).toEqual({ kind: 'changed', state: 'seen' });
    expect(nextDeposit('confirmed', 'vanished').kind).toBe('refused');
    expect(nextDeposit('credited', 'vanished').kind).toBe('refused');
  });

  it('is credited once, whatever is seen again', () => {
    expect(nextDeposit('credited', 'seenAgain')).toEqual({ kind: 'alreadyApplied', state: 'credited' });
    expect(nextDeposit('credited', 'credited')).toEqual({ kind: 'alreadyApplied', state: 'credited' });
  });
});

describe('settlement', () => {
  it('goes one step at a time', () => {
    expect(nextSettlement('open', 'closed')).toEqual({ kind: 'changed', state: 'closed' });
    expect(nextSettlement('open', 'paid').kind).toBe('refused');
    expect(nextSettlement('closed', 'agreed').kind).toBe('refused');
    expect(nextSettlement('closed', 'paid')).toEqual({ kind: 'changed', state: 'paid' });
    expect(nextSettlement('paid', 'agreed')).toEqual({ kind: 'changed', state: 'reconciled' });
    expect(nextSettlement('reconciled', 'paid')).toEqual({ kind: 'alreadyApplied', state: 'reconciled' });
  });
});
