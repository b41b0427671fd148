import {
  type AuthorizationEvent,
  type AuthorizationState,
  isOpen,
  next,
} from '../../../services/authorizations/rules/authorization-state';

const STATES: readonly AuthorizationState[] = [
  'declined',
  'pending',
  'partially_cleared',
  'cleared',
  'reversed',
  'expired',
];

/** State after each event, or `refused`; a dot is the state itself. */
const TABLE: readonly (readonly [AuthorizationEvent, readonly string[]])[] = [
  [{ kind: 'cleared', holdLeft: 0n }, ['.', 'cleared', 'cleared', '.', '.', '.']],
  [{ kind: 'cleared', holdLeft: 1n }, ['.', 'partially_cleared', '.', '.', '.', '.']],
  [{ kind: 'reversed', left: 0n }, ['.', 'reversed', 'cleared', '.', '.', '.']],
  [{ kind: 'reversed', left: 1n }, ['.', '.', '.', '.', '.', '.']],
  [{ kind: 'expired' }, ['.', 'expired', 'cleared', '.', '.', '.']],
  [{ kind: 'extended', cleared: false }, ['pending', '.', '.', 'pending', 'pending', 'pending']],
  [{ kind: 'extended', cleared: true }, ['partially_cleared', '.', '.', ...Array(3).fill('partially_cleared')]],
];

test.each(TABLE)('%j', (event, expected) => {
  const found = STATES.map((state) => {
    const transition = next(state, event);
    if (transition.kind === 'refused') return 'refused';
    return transition.kind === 'alreadyApplied' ? '.' : transition.state;
  });
  expect(found).toEqual(expected);
});

test('only a pending or partially cleared authorization holds money', () => {
  expect(STATES.filter(isOpen)).toEqual(['pending', 'partially_cleared']);
});
