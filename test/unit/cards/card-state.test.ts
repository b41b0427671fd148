import { type CardState, type CardStateEvent, next, processorStateFor } from '../../../services/cards/rules/card-state';

const STATES: readonly CardState[] = [
  'pending',
  'pending_fulfillment',
  'shipped',
  'inactive',
  'active',
  'paused',
  'closed',
];

/** What each state makes of each event: a new state, `same`, or `-` for refused. */
const TABLE: readonly (readonly [CardStateEvent, readonly string[]])[] = [
  [{ kind: 'issued', cardKind: 'virtual' }, ['active', 'same', 'same', 'same', 'same', 'same', 'same']],
  [{ kind: 'issued', cardKind: 'physical' }, ['pending_fulfillment', 'same', 'same', 'same', 'same', 'same', 'same']],
  [{ kind: 'issuance_refused' }, ['closed', '-', '-', '-', '-', '-', 'same']],
  [{ kind: 'ship' }, ['-', 'shipped', 'same', '-', '-', '-', '-']],
  [{ kind: 'activate' }, ['-', '-', 'active', 'active', 'same', 'active', '-']],
  [{ kind: 'pause' }, ['-', '-', '-', '-', 'paused', 'same', '-']],
  [{ kind: 'close' }, ['closed', 'closed', 'closed', 'closed', 'closed', 'closed', 'same']],
];

const CASES = TABLE.flatMap(([event, row]) =>
  STATES.map((state, column) => [state, event, row[column] ?? '-'] as const),
);

describe('card', () => {
  it.each(CASES)('%s, on %j: %s', (state, event, expected) => {
    const transition = next(state, event);
    const told = transition.kind === 'refused' ? '-' : transition.kind === 'alreadyApplied' ? 'same' : transition.state;
    expect(told).toBe(expected);
  });

  it('is open at the processor in no state but active', () => {
    expect(STATES.filter((state) => processorStateFor(state) === 'active')).toEqual(['active']);
    expect(STATES.filter((state) => processorStateFor(state) === 'closed')).toEqual(['closed']);
    expect(processorStateFor('pending')).toBeNull();
  });
});
