import { unreachable } from '../../shared/assert';
import type { Transition } from '../../shared/result';

export type KycState =
  | 'not_started'
  | 'pending'
  | 'in_review'
  | 'approved'
  | 'resubmission_required'
  | 'rejected'
  | 'expired';

export type KycEvent =
  /** Documents were handed in. */
  | 'submitted'
  /** The vendor has everything and was asked to check. */
  | 'check_requested'
  /** The vendor's verdicts. */
  | 'approved'
  | 'resubmission_required'
  | 'rejected'
  /** A document ran out. */
  | 'expired';

/**
 * `not_started → pending → in_review → approved | resubmission_required | rejected`, `approved → expired`. The vendor may
 * take an approval back when it learns more (its ongoing monitoring); a rejection is final.
 */
export function next(state: KycState, event: KycEvent): Transition<KycState> {
  switch (event) {
    case 'submitted':
      if (state === 'not_started' || state === 'resubmission_required' || state === 'expired')
        return changed('pending');
      if (state === 'pending') return same(state);
      return refused(`documents cannot be handed in while the verification is ${state}`);
    case 'check_requested':
      if (state === 'pending') return changed('in_review');
      if (state === 'in_review') return same(state);
      return refused(`a check cannot be requested while the verification is ${state}`);
    case 'approved':
    case 'resubmission_required':
    case 'rejected':
      if (state === event) return same(state);
      if (state === 'in_review' || state === 'approved' || state === 'resubmission_required') return changed(event);
      return refused(`a verdict does not change a verification that is ${state}`);
    case 'expired':
      if (state === 'approved') return changed('expired');
      if (state === 'expired') return same(state);
      return refused(`a verification that is ${state} does not expire`);
    default:
      return unreachable(event, 'verification event');
  }
}

function changed(state: KycState): Transition<KycState> {
  return { kind: 'changed', state };
}

function same(state: KycState): Transition<KycState> {
  return { kind: 'alreadyApplied', state };
}

function refused(reason: string): Transition<KycState> {
  return { kind: 'refused', reason };
}
