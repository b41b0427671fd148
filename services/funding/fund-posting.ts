import { inOrganization } from '../database/transaction';
import { required } from '../shared/assert';
import type { StepResult } from '../shared/step';
import { type DrawLoanDeps, drawLoan } from './draw-loan';
import { findPosting } from './funding.repository';
import { type PostingKey, sellStablecoin } from './sell-stablecoin';

/** Brings the funding of one posting forward, whichever way it is funded: an off-ramp's hint names only the order. */
export async function fundPosting(deps: DrawLoanDeps, key: PostingKey): Promise<StepResult> {
  const posting = await inOrganization(deps.knex, key.organizationId, async (trx) =>
    required(await findPosting(trx, key.organizationId, key.postingId), `posting ${key.postingId}`),
  );
  return posting.kind === 'loan_draw' ? drawLoan(deps, key) : sellStablecoin(deps, key);
}
