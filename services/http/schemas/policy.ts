import { countryInput } from './common';
import { cents, controls, GROUPS, limits, merchantGroupInput, programLimits, times } from './controls';
import { z } from './zod';

const bps = (maximum: number) => z.int().min(0).max(maximum);

const limitsPatch = z
  .strictObject({
    per_transaction_amount: cents.nullable(),
    day_amount: cents.nullable(),
    week_amount: cents.nullable(),
    month_amount: cents.nullable(),
    year_amount: cents.nullable(),
    all_time_amount: cents.nullable(),
    day_count: times.nullable(),
    week_count: times.nullable(),
    month_count: times.nullable(),
    year_count: times.nullable(),
    all_time_count: times.nullable(),
  })
  .partial();

const collateralTerms = z.strictObject({
  ltv_bps: bps(9_500),
  liquidation_threshold_bps: bps(9_900),
  liquidation_bonus_bps: bps(3_000),
});

const cashWithdrawalFee = z
  .strictObject({ fixed: cents, bps: bps(2_000), cashback: z.boolean().optional() })
  .openapi('CashWithdrawalFee', {
    description: 'Charged on cash from a machine or a counter; with cashback, on cash at the till too.',
  });

const fixedHold = z.strictObject({ up_to: cents, hold: cents }).openapi('FixedHold', {
  description:
    'Cents. A request of at most `up_to` only asks whether the card is good: `hold` is held, what the network lets the merchant clear.',
});

const groupTable = (value: z.ZodType<number>) => z.partialRecord(z.enum(GROUPS), value.nullable());

const standIn = z
  .strictObject({
    default: z.enum(['approve', 'decline']),
    decline_above: cents.optional(),
    decline_merchant_groups: z.array(merchantGroupInput).max(GROUPS.length).optional(),
    approve_up_to: cents.optional(),
    approve_merchant_groups: z.array(merchantGroupInput).max(GROUPS.length).optional(),
  })
  .openapi('StandInRules', {
    description:
      'What is answered when you give no valid answer in time. What declines comes first, then what approves, then the default.',
  });

const partnerTimeout = z.int().min(100).max(1_500);
const breakerFields = { failures: z.int().min(1).max(1_000), open_seconds: z.int().min(1).max(3_600) };

const partnerDecisionPatch = z
  .strictObject({
    enabled: z.boolean(),
    timeout_ms: partnerTimeout,
    stand_in: standIn,
    breaker: z.strictObject(breakerFields).partial(),
  })
  .partial()
  .openapi('PartnerDecisionChange', {
    description: 'Whether and how you are asked for your own decision; `stand_in` is replaced as a whole.',
  });

/** A change of a program's policy. */
export const policyPatch = z
  .strictObject({
    allowed_residence_countries: z.array(countryInput).max(250),
    blocked_merchant_countries: z.array(countryInput).max(250),
    blocked_merchant_groups: z.array(merchantGroupInput).max(GROUPS.length),
    stablecoins: z.array(z.string()).min(1).max(10),
    default_funding_mode: z.enum(['sell', 'borrow', 'automatic']),
    funding_at: z.enum(['clearing', 'authorization']).openapi({
      description: 'When purchases are sold and drawn for; with authorization, what is not cleared is bought back.',
    }),
    partial_approvals: z.boolean(),
    decline_on_avs_mismatch: z.boolean(),
    decline_on_cvc_mismatch: z.boolean(),
    hold_allowance_bps: groupTable(bps(10_000)),
    hold_fixed_amount: z.partialRecord(z.enum(GROUPS), fixedHold.nullable()),
    min_leg_amount: cents,
    stablecoin_cost_bps: z.record(z.string(), bps(2_000).nullable()),
    conversion_buffer_bps: bps(2_000),
    controls_cooling_off_hours: z.int().min(0).max(720),
    hold_days: z.partialRecord(z.enum(['default', ...GROUPS]), z.int().min(1).max(60).nullable()),
    foreign_currency_fee_bps: bps(1_000),
    cash_withdrawal_fee: cashWithdrawalFee,
    limits: limitsPatch,
    controls: controls.nullable(),
    program_limits: programLimits.nullable(),
    credit: z
      .strictObject({
        enabled: z.boolean(),
        spread_bps: bps(5_000),
        collateral: z.record(z.string(), collateralTerms.nullable()),
      })
      .partial(),
    partner_decision: partnerDecisionPatch.nullable(),
  })
  .partial()
  .openapi('ProgramPolicyChange', {
    description: 'What is left out stays; a null inside a table removes that entry; lists are replaced.',
  });

/** A program's policy as it stands. */
export const policyView = z
  .strictObject({
    allowed_residence_countries: z.array(z.string()),
    blocked_merchant_countries: z.array(z.string()),
    blocked_merchant_groups: z.array(z.string()),
    stablecoins: z.array(z.string()),
    default_funding_mode: z.enum(['sell', 'borrow', 'automatic']),
    funding_at: z.enum(['clearing', 'authorization']),
    partial_approvals: z.boolean(),
    decline_on_avs_mismatch: z.boolean(),
    decline_on_cvc_mismatch: z.boolean(),
    hold_allowance_bps: z.record(z.string(), z.int()),
    hold_fixed_amount: z.record(z.string(), fixedHold).optional(),
    min_leg_amount: cents.optional(),
    stablecoin_cost_bps: z.record(z.string(), z.int()).optional(),
    conversion_buffer_bps: z.int(),
    controls_cooling_off_hours: z.int().optional(),
    hold_days: z.record(z.string(), z.int()),
    foreign_currency_fee_bps: z.int().optional(),
    cash_withdrawal_fee: cashWithdrawalFee.optional(),
    limits,
    controls: controls.optional(),
    program_limits: programLimits.optional(),
    credit: z.strictObject({
      enabled: z.boolean(),
      venue: z.literal('aave_v3'),
      borrow_asset: z.string(),
      spread_bps: z.int(),
      collateral: z.record(z.string(), collateralTerms),
    }),
    partner_decision: z
      .strictObject({
        enabled: z.boolean(),
        timeout_ms: partnerTimeout,
        stand_in: standIn,
        breaker: z.strictObject(breakerFields),
      })
      .nullable()
      .openapi({ description: 'Null: you are not asked.' }),
  })
  .openapi('ProgramPolicy');
