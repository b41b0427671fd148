import { next, type SettlementEvent, type SettlementState } from '../../../services/settlement/rules/settlement-state';

const STATES: readonly SettlementState[] = ['open', 'closed', 'paid', 'reconciled'];
const EVENTS: readonly SettlementEvent[] = ['closed', 'paid', 'agreed'];

it('takes one step at a time, never back, and says again what was done before', () => {
  const table = STATES.map((state) => EVENTS.map((event) => next(state, event).kind));
  expect(table).toEqual([
    ['changed', 'refused', 'refused'],
    ['alreadyApplied', 'changed', 'refused'],
    ['alreadyApplied', 'alreadyApplied', 'changed'],
    ['alreadyApplied', 'alreadyApplied', 'alreadyApplied'],
  ]);
  expect(next('open', 'closed')).toEqual({ kind: 'changed', state: 'closed' });
  expect(next('paid', 'agreed')).toEqual({ kind: 'changed', state: 'reconciled' });
  expect(next('reconciled', 'closed')).toEqual({ kind: 'alreadyApplied', state: 'reconciled' });
});
