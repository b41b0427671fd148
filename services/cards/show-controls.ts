import { findAccount } from '../accounts/account.repository';
import type { Transaction } from '../database/transaction';
import type { Clock } from '../shared/clock';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { findCard } from './card.repository';
import { askedFor } from './rules/controls-change';
import { effectiveControls, type PendingControls, type SpendControls } from './rules/spend-controls';

/** Controls as they are in force, and what is still to take their place. */
export interface ShownControls {
  readonly controls: SpendControls;
  readonly version: number;
  readonly pending: PendingControls | null;
}

/** The controls of an account or a card, in a form that may be sent back. */
export async function showControls(
  trx: Transaction,
  deps: { readonly clock: Clock },
  input: { readonly organizationId: string; readonly scope: 'account' | 'card'; readonly id: string },
): Promise<Result<ShownControls, Refusal>> {
  const { organizationId, scope, id } = input;
  const find = scope === 'account' ? findAccount : findCard;
  const row = await find(trx, organizationId, id);
  if (row === undefined) return err(refusal('not_found', `there is no ${scope} with this id`));
  const now = deps.clock.now();
  const { pending_controls: pending } = row;
  const waits = pending !== null && Date.parse(pending.effective_at) > now.getTime();
  return ok({
    controls: askedFor(effectiveControls(row.controls, pending, now)),
    version: row.controls_version,
    pending: waits ? pending : null,
  });
}
