import type { Transaction } from '../database/transaction';
import type { SourceTaken } from '../funding/rules/plan-funding';
import { type AuthorizationRow, fundingLegsOf } from './authorization.repository';
import { isOpen } from './rules/authorization-state';
import { takenSources } from './rules/taken-sources';

/** What a purchase has of each source where it is under way; nothing of one that ended, which more is decided for as for another. */
export async function takenOfOpen(
  trx: Transaction,
  authorization: Pick<AuthorizationRow, 'organization_id' | 'id' | 'state'>,
): Promise<readonly SourceTaken[]> {
  if (!isOpen(authorization.state)) return [];
  return takenSources(await fundingLegsOf(trx, authorization.organization_id, [authorization.id]));
}
