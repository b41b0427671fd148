import { randomBytes } from 'node:crypto';
import type { Knex } from 'knex';
import { inOrganization } from '../../services/database/transaction';
import { setPartnerEndpoint } from '../../services/partner-decisions/set-partner-endpoint';
import type { PartnerDecisionPolicy } from '../../services/programs/rules/program-policy';
import { createLocalKeyProvider } from '../../services/providers/keys/local-key-provider';
import { required } from '../../services/shared/assert';
import { type Partner, startPartner } from '../../simulators/partner/app';
import { createSpendingWorld, type SpendingWorld, type SpendingWorldOptions } from './spending-world';

export const partnerKeys = createLocalKeyProvider(randomBytes(32));

export interface PartnerWorld extends SpendingWorld {
  readonly partner: Partner;
  readonly secret: string;
}

/** A program whose fintech is asked, with a fintech of its own that listens and knows the secret. */
export async function createPartnerWorld(
  superuserUrl: string,
  knex: Knex,
  options: Partial<SpendingWorldOptions> & { readonly decision?: Partial<PartnerDecisionPolicy> } = {},
): Promise<PartnerWorld> {
  const { decision, ...rest } = options;
  const world = await createSpendingWorld(superuserUrl, {
    accounts: 1,
    funds: { USDC: 500_000_000n },
    ...rest,
    policy: {
      ...rest.policy,
      partner_decision: {
        enabled: true,
        timeout_ms: 1_500,
        stand_in: { default: 'decline' },
        breaker: { failures: 1_000, open_seconds: 3_600 },
        ...decision,
      },
    },
  });
  const partner = await startPartner({ port: 0, dataFile: null });
  const set = await inOrganization(knex, world.organizationId, (trx) =>
    setPartnerEndpoint(
      trx,
      { keys: partnerKeys, privateAllowed: true },
      {
        organizationId: world.organizationId,
        programId: world.programId,
        url: `${partner.url}/decisions`,
        state: 'active',
      },
    ),
  );
  if (!set.ok) throw new Error(set.error.detail);
  const secret = required(set.value.secret, 'the secret of a new endpoint');
  partner.learnSecret(secret);
  return { ...world, partner, secret };
}
