import { updateAccountControls } from '../accounts/update-account-controls';
import type { AssetCatalog } from '../assets/load-asset-catalog';
import { sameControls, splitControlsChange, tooLongList } from '../cards/rules/controls-change';
import { effectiveControls, type PendingControls, type SpendControls } from '../cards/rules/spend-controls';
import { updateCardControls } from '../cards/update-card-controls';
import type { Transaction } from '../database/transaction';
import { replaceProgramPolicy } from '../programs/replace-program-policy';
import type { ProgramPolicy } from '../programs/rules/program-policy';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import type { ScopeStanding } from './control-version.repository';
import type { ControlDocument, ControlScope } from './rules/control-scope';

/** What putting a document in force came to. */
export interface InForce {
  /** programs.policy_version, or controls_version of the account or card. */
  readonly appliedVersion: number;
  /** What of it waits for the cooling-off; null: nothing. */
  readonly later: PendingControls | null;
  /** Whether anything is in force now that was not before. */
  readonly changedNow: boolean;
}

/**
 * Makes a document the rules of its scope: a program's policy as its next version, at once; controls of accounts and
 * cards at once as far as they are tighter, the rest after the program's cooling-off. Under the scope's lock.
 */
export async function putInForce(
  trx: Transaction,
  deps: { readonly assets: AssetCatalog },
  input: {
    readonly organizationId: string;
    readonly scope: ControlScope;
    readonly standing: ScopeStanding;
    readonly document: ControlDocument;
    readonly now: Date;
  },
): Promise<Result<InForce, Refusal>> {
  const { organizationId, scope, standing, now } = input;
  if (standing.kind === 'program') {
    const policy = input.document as ProgramPolicy;
    const replaced = await replaceProgramPolicy(trx, deps, { organizationId, programId: scope.id, policy });
    return replaced.ok
      ? ok({ appliedVersion: replaced.value.program.policy_version, later: null, changedNow: true })
      : replaced;
  }
  const before = effectiveControls(standing.document, standing.pending, now);
  const split = splitControlsChange(
    before,
    input.document as SpendControls,
    now,
    standing.coolingOffHours,
    standing.pending,
  );
  const tooLong = tooLongList(split.now);
  if (tooLong !== null) {
    return err(
      refusal(
        'state_conflict',
        `While the looser part waits for its cooling-off, both lists of ${tooLong.field} are in force, and together they have more than ${tooLong.most} entries. Keep those that are to be blocked for longer, and take others away first.`,
      ),
    );
  }
  const target = { kind: standing.kind, id: scope.id };
  const placed = await placeControls(trx, organizationId, target, split.now, split.later);
  const changedNow = !sameControls(before, split.now);
  return placed.ok ? ok({ appliedVersion: placed.value, later: split.later, changedNow }) : placed;
}

/** Writes controls and what waits to the account or the card; returns its controls_version. */
export async function placeControls(
  trx: Transaction,
  organizationId: string,
  scope: { readonly kind: 'account' | 'card'; readonly id: string },
  controls: SpendControls,
  pending: PendingControls | null,
): Promise<Result<number, Refusal>> {
  const changed =
    scope.kind === 'account'
      ? await updateAccountControls(trx, { organizationId, accountId: scope.id, controls, pending })
      : await updateCardControls(trx, {}, { organizationId, cardId: scope.id, controls, pending });
  return changed.ok ? ok(changed.value.controls_version) : changed;
}
