import type { Page, PageRequest } from '../database/page';
import type { Transaction } from '../database/transaction';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { type ControlVersionRow, findPromoted, findVersion, findVersions } from './control-version.repository';
import type { ControlScope } from './rules/control-scope';
import { type DocumentDifference, documentDiff } from './rules/document-diff';
import type { VersionState } from './rules/version-state';

export type { ControlVersionRow };

export interface ComparedVersion {
  readonly version: ControlVersionRow;
  /** The version that is active now; null: this scope has none yet. */
  readonly activeVersion: number | null;
  /** From the active version to this one. */
  readonly diff: readonly DocumentDifference[];
}

/** A version and where it differs from the active one, or `not_found`. */
export async function showControlVersion(
  trx: Transaction,
  input: { readonly organizationId: string; readonly versionId: string },
): Promise<Result<ComparedVersion, Refusal>> {
  const version = await findVersion(trx, input.organizationId, input.versionId);
  if (version === undefined) return err(refusal('not_found', 'there is no control version with this id'));
  const scope = { kind: version.scope_kind, id: version.scope_id };
  const { active } = await findPromoted(trx, input.organizationId, scope);
  const diff = active === null ? [] : documentDiff(active.document, version.document);
  return ok({ version, activeVersion: active?.version ?? null, diff });
}

/** Versions of the organization, newest first. */
export async function listControlVersions(
  trx: Transaction,
  input: {
    readonly organizationId: string;
    readonly scope?: ControlScope | undefined;
    readonly state?: VersionState | undefined;
    readonly page: PageRequest;
  },
): Promise<Page<ControlVersionRow>> {
  return findVersions(trx, input.organizationId, { scope: input.scope, state: input.state }, input.page);
}
