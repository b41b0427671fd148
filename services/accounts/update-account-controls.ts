import type { PendingControls, SpendControls } from '../cards/rules/spend-controls';
import type { Transaction } from '../database/transaction';
import { appendEvent } from '../outbox/append-event';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { type AccountRow, lockAccount, updateControls } from './account.repository';

export interface UpdateAccountControlsInput {
  readonly organizationId: string;
  readonly accountId: string;
  /** The whole new set: what is left out is no longer restricted. */
  readonly controls: SpendControls;
  /** What takes their place later; what was waiting before is forgotten. */
  readonly pending: PendingControls | null;
}

/** Replaces the controls of an account, which all its cards share; the next authorization goes by them. */
export async function updateAccountControls(
  trx: Transaction,
  input: UpdateAccountControlsInput,
): Promise<Result<AccountRow, Refusal>> {
  const { organizationId, accountId, controls, pending } = input;
  const account = await lockAccount(trx, organizationId, accountId);
  if (account === undefined) return err(refusal('not_found', 'No account of this organization has this id.'));
  if (account.state === 'closed') return err(refusal('state_conflict', 'The account is closed.'));

  const version = account.controls_version + 1;
  const changed = await updateControls(trx, organizationId, accountId, { controls, pending, version });
  await appendEvent(trx, {
    organizationId,
    type: 'account.controls_changed',
    resourceKind: 'account',
    resourceId: accountId,
    data: {
      program_id: changed.program_id,
      cardholder_id: changed.cardholder_id,
      state: changed.state,
      controls,
      controls_version: version,
      pending_controls: pending,
    },
  });
  return ok(changed);
}
