import type { Knex } from 'knex';
import { inOrganization } from '../database/transaction';
import { findMessageRoute } from '../inbox/find-message-route';
import type { HintOutcome } from '../inbox/inbox-source';
import { appendCommand } from '../outbox/append-command';
import type { KycHint, KycVendor } from '../providers/kyc/port';

export interface HandleKycHintDeps {
  readonly knex: Knex;
  readonly kyc: Pick<KycVendor, 'vendor'>;
}

/** Wakes the cardholder's onboarding, which asks the vendor itself: a webhook says that something changed, never what. */
export async function handleKycHint(deps: HandleKycHintDeps, hint: KycHint): Promise<HintOutcome> {
  const route = await findMessageRoute(deps.knex, deps.kyc.vendor, hint.externalUserId);
  if (route === null) return { kind: 'unknown_reference' };
  const { organizationId, resourceId: cardholderId } = route;
  await inOrganization(deps.knex, organizationId, (trx) =>
    appendCommand(trx, {
      organizationId,
      workflowType: 'kycOnboarding',
      workflowId: `kyc:${cardholderId}`,
      signal: 'kycHint',
      payload: { organizationId, cardholderId },
    }),
  );
  return { kind: 'handled' };
}
