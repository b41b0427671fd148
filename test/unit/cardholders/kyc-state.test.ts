import { type KycEvent, type KycState, next } from '../../../services/cardholders/rules/kyc-state';

const STATES: readonly KycState[] = [
  'not_started',
  'pending',
  'in_review',
  'approved',
  'resubmission_required',
  'rejected',
  'expired',
];

/** What each state makes of each event: a new state, `same`, or `-` for refused. */
const TABLE: Readonly<Record<KycEvent, readonly string[]>> = {
  submitted: ['pending', 'same', '-', '-', 'pending', '-', 'pending'],
  check_requested: ['-', 'in_review', 'same', '-', '-', '-', '-'],
  approved: ['-', '-', 'approved', 'same', 'approved', '-', '-'],
  resubmission_required: ['-', '-', 'resubmission_required', 'resubmission_required', 'same', '-', '-'],
  rejected: ['-', '-', 'rejected', 'rejected', 'rejected', 'same', '-'],
  expired: ['-', '-', '-', 'expired', '-', '-', 'same'],
};

const CASES = (Object.entries(TABLE) as [KycEvent, readonly string[]][]).flatMap(([event, row]) =>
  STATES.map((state, column) => [state, event, row[column] ?? '-'] as const),
);

describe('verification', () => {
  it.each(CASES)('%s, on %s: %s', (state, event, expected) => {
    const transition = next(state, event);
    const told = transition.kind === 'refused' ? '-' : transition.kind === 'alreadyApplied' ? 'same' : transition.state;
    expect(told).toBe(expected);
  });
});
