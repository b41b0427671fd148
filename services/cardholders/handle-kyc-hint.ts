import type { Knex } from 'knex';
import { inOrganization } from '../database/transaction';
import { findVendorRoute } from '../inbox/vendor-route.repository';
import { appendCommand } from '../outbox/append-command';
import type { KycHint, KycVendor } from '../providers/kyc/port';

export interface HandleKycHintDeps {
  readonly knex: Knex;
  readonly kyc: Pick<KycVendor, 'vendor'>;
}

export type HintOutcome = { readonly kind: 'handled' } | { readonly kind: 'unknown_reference' };

/** Wakes the cardholder's onboarding, which asks the vendor itself: a webhook says that something changed, never what. */
export async function handleKycHint(deps: HandleKycHintDeps, hint: KycHint): Promise<HintOutcome> {
  const route = await findVendorRoute(deps.knex, deps.kyc.vendor, hint.externalUserId);
  if (route === undefined) return { kind: 'unknown_reference' };
  const { organization_id: organizationId, resource_id: cardholderId } = route;
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
