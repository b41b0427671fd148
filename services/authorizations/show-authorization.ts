import type { Transaction } from '../database/transaction';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import {
  type AuthorizationRow,
  type FundingLegRow,
  findAuthorization,
  fundingLegsOf,
  receiptOf,
} from './authorization.repository';

export { type AuthorizationRow, receiptOf };

export interface AuthorizationWithLegs {
  readonly authorization: AuthorizationRow;
  readonly legs: readonly FundingLegRow[];
}

/** One authorization with the legs that fund it, or `not_found`. */
export async function showAuthorization(
  trx: Transaction,
  input: { readonly organizationId: string; readonly authorizationId: string },
): Promise<Result<AuthorizationWithLegs, Refusal>> {
  const authorization = await findAuthorization(trx, input.organizationId, input.authorizationId);
  if (authorization === null) return err(refusal('not_found', 'there is no authorization with this id'));
  return ok({ authorization, legs: await fundingLegsOf(trx, input.organizationId, [authorization.id]) });
}
