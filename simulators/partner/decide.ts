import { z } from 'zod';

const money = z.object({ amount: z.string().regex(/^\d+\.\d{2}$/), asset: z.string() });

/** What a fintech reads of a question; the rest it may ignore. */
export const questionSchema = z.looseObject({
  type: z.literal('authorization.requested'),
  id: z.string(),
  respond_by: z.string(),
  test: z.boolean(),
  authorization: z.looseObject({
    card_id: z.string(),
    requested: money,
    /** Null or left out: a first message. */
    increment: z.looseObject({ new_total: money }).nullish(),
    merchant: z.looseObject({ mcc: z.string(), country: z.string() }),
  }),
});

export type Question = z.infer<typeof questionSchema>;

/** The sandbox fintech's own rules. Amounts are decimal strings of dollars. */
export const rulesSchema = z
  .object({
    default: z.enum(['approve', 'decline']).default('approve'),
    decline_above: z
      .string()
      .regex(/^\d+\.\d{2}$/)
      .nullable()
      .default(null),
    decline_mccs: z.array(z.string()).default([]),
    decline_countries: z.array(z.string()).default([]),
    decline_cards: z.array(z.string()).default([]),
  })
  .strict();

export type Rules = z.infer<typeof rulesSchema>;

export interface Answer {
  readonly decision: 'approve' | 'decline';
  readonly reason?: string;
}

export function decide(rules: Rules, { authorization }: Question): Answer {
  const { requested, increment, merchant, card_id: card } = authorization;
  // What a purchase comes to counts, however many messages ask for it.
  const whole = increment?.new_total ?? requested;
  if (rules.decline_above !== null && cents(whole.amount) > cents(rules.decline_above)) {
    return { decision: 'decline', reason: `above ${rules.decline_above}` };
  }
  if (rules.decline_mccs.includes(merchant.mcc)) return { decision: 'decline', reason: `category ${merchant.mcc}` };
  if (rules.decline_countries.includes(merchant.country)) {
    return { decision: 'decline', reason: `country ${merchant.country}` };
  }
  if (rules.decline_cards.includes(card)) return { decision: 'decline', reason: 'card on the list' };
  return { decision: rules.default };
}

function cents(amount: string): bigint {
  return BigInt(amount.replace('.', ''));
}
