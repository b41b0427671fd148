import { controlsInForce } from '../../cards/rules/evaluate-controls';
import type { SpendSnapshot } from './spend-snapshot';

/** What of the program's, the account's and the card's controls is in force on a snapshot at a time. */
export function controlsOf(snapshot: SpendSnapshot, now: Date): ReturnType<typeof controlsInForce> {
  const { card } = snapshot;
  return controlsInForce(
    snapshot.policy,
    { controls: snapshot.accountControls, pending: snapshot.accountPendingControls },
    card && { controls: card.controls, pending: card.pendingControls },
    now,
  );
}
