import { merchantGroup, type StandInRules } from '../../programs/rules/program-policy';

/** What the stand-in rules look at: the amount asked for, in cents of the card's currency, and the merchant's category. */
export interface StandInPurchase {
  readonly amount: bigint;
  readonly mcc: string;
}

/**
 * The answer in place of a fintech that gave none. What declines comes before what approves, and the default decides where no
 * rule does.
 */
export function standIn(rules: StandInRules, purchase: StandInPurchase): 'approve' | 'decline' {
  const group = merchantGroup(purchase.mcc);
  if (rules.decline_above !== undefined && purchase.amount > BigInt(rules.decline_above)) return 'decline';
  if (group !== null && rules.decline_merchant_groups?.includes(group)) return 'decline';
  if (rules.approve_up_to === undefined && rules.approve_merchant_groups === undefined) return rules.default;
  const smallEnough = rules.approve_up_to === undefined || purchase.amount <= BigInt(rules.approve_up_to);
  const welcome =
    rules.approve_merchant_groups === undefined || (group !== null && rules.approve_merchant_groups.includes(group));
  return smallEnough && welcome ? 'approve' : rules.default;
}
