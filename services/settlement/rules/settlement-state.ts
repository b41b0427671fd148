import type { Transition } from '../../shared/result';

export type SettlementState = 'open' | 'closed' | 'paid' | 'reconciled';

/**
 * `closed`: the network's report agrees with the ledger. `paid`: the bank has moved money for it. `agreed`: all three say the
 * same. `accepted`: they do not, and an operator lets it stand.
 */
export type SettlementEvent = 'closed' | 'paid' | 'agreed' | 'accepted';

const ORDER: readonly SettlementState[] = ['open', 'closed', 'paid', 'reconciled'];
const TARGET: Readonly<Record<SettlementEvent, SettlementState>> = {
  closed: 'closed',
  paid: 'paid',
  agreed: 'reconciled',
  accepted: 'reconciled',
};

/** One step at a time, in this order. A difference to the network leaves it `open`, one at the bank leaves it `paid`. */
export function next(state: SettlementState, event: SettlementEvent): Transition<SettlementState> {
  const target = TARGET[event];
  const from = ORDER.indexOf(state);
  const to = ORDER.indexOf(target);
  if (to <= from) return { kind: 'alreadyApplied', state };
  if (to === from + 1) return { kind: 'changed', state: target };
  return { kind: 'refused', reason: `${event} does not fit ${state}` };
}
