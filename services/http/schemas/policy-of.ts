import type { ProgramPolicy } from '../../programs/rules/program-policy';
import type { controls } from './controls';
import type { policyView } from './policy';
import type { z } from './zod';

/** A policy as it is shown. */
export function policyOf(policy: ProgramPolicy): z.input<typeof policyView> {
  return {
    ...policy,
    allowed_residence_countries: [...policy.allowed_residence_countries],
    blocked_merchant_countries: [...policy.blocked_merchant_countries],
    blocked_merchant_groups: [...policy.blocked_merchant_groups],
    stablecoins: [...policy.stablecoins],
    controls: policy.controls as z.input<typeof controls> | undefined,
    partner_decision: partnerDecisionOf(policy.partner_decision),
  };
}

function partnerDecisionOf(policy: ProgramPolicy['partner_decision']): z.input<typeof policyView>['partner_decision'] {
  if (policy === undefined) return null;
  const { stand_in: rules } = policy;
  return {
    ...policy,
    stand_in: {
      ...rules,
      decline_merchant_groups: rules.decline_merchant_groups && [...rules.decline_merchant_groups],
      approve_merchant_groups: rules.approve_merchant_groups && [...rules.approve_merchant_groups],
    },
  };
}
