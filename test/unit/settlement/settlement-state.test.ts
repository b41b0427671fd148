import { next, type SettlementEvent, type SettlementState } from '../../../services/settlement/rules/settlement-state';

const STATES: readonly SettlementState[] = ['open', 'closed', 'paid', 'reconciled'];
const EVENTS: readonly SettlementEvent[] = ['closed', 'paid', 'agreed', 'accepted'];

it('takes one step at a time, never back, and says again what was done before', () => {
  const table = STATES.map((state) => EVENTS.map((event) => next(state, event).kind));
  expect(table).toEqual([
    ['changed', 'refused', 'refused', 'refused'],
    ['alreadyApplied', 'changed', 'refused', 'refused'],
    ['alreadyApplied', 'alreadyApplied', 'changed', 'changed'],
    ['alreadyApplied', 'alreadyApplied', 'alreadyApplied', 'alreadyApplied'],
  ]);
  expect(next('open', 'closed')).toEqual({ kind: 'changed', state: 'closed' });
  expect(next('paid', 'agreed')).toEqual({ kind: 'changed', state: 'reconciled' });
  expect(next('reconciled', 'closed')).toEqual({ kind: 'alreadyApplied', state: 'reconciled' });
});
