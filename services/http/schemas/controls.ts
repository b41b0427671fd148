import {
  CONTROLLED_CHANNELS,
  COUNTRIES_MAX,
  HOURS_MAX,
  LISTED_MAX,
  type SpendControls,
  VELOCITY_KEPT_MAX,
  VELOCITY_RULES_MAX,
  VELOCITY_WINDOW_MAX_SECONDS,
} from '../../cards/rules/spend-controls';
import { MERCHANT_GROUPS, type MerchantGroup } from '../../programs/rules/program-policy';
import { countryInput, timeZoneInput } from './common';
import { z } from './zod';

export const GROUPS = Object.keys(MERCHANT_GROUPS) as [MerchantGroup, ...MerchantGroup[]];

export const merchantGroupInput = z.enum(GROUPS).openapi({ description: 'A group of merchant category codes.' });

export const cents = z
  .string()
  .regex(/^(0|[1-9]\d{0,17})$/, 'must be a whole number of cents, as a string')
  .openapi({ pattern: '^(0|[1-9]\\d{0,17})$', example: '500000' });

export const times = z.int().min(0).max(1_000_000);

const windowLimits = {
  day_amount: cents,
  week_amount: cents,
  month_amount: cents,
  year_amount: cents,
  all_time_amount: cents,
  day_count: times,
  week_count: times,
  month_count: times,
  year_count: times,
  all_time_count: times,
};

/** Limits as they are: amounts in cents and counts; a missing entry is no limit. */
export const limits = z
  .strictObject({ per_transaction_amount: cents, ...windowLimits })
  .partial()
  .openapi('SpendLimits');

/** Caps of a whole program. */
export const programLimits = z
  .strictObject({
    ...z.strictObject(windowLimits).partial().shape,
    headroom_bps: z
      .int()
      .min(0)
      .max(5_000)
      .openapi({ description: 'Kept free of each cap for what is approved in the second in which usage is summed.' }),
    time_zone: timeZoneInput.openapi({ description: 'Where the program’s days begin.' }),
  })
  .openapi('ProgramLimits', { description: 'Caps on what all accounts of the program spend together.' });

/** Ids and numbers that others gave: merchants, drivers, vehicles, fuels. */
function idList(maximum: number, what: string) {
  return z
    .array(
      z
        .string()
        .max(maximum, `must have at most ${maximum} characters`)
        .regex(/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/, `must be ${what}: printable ASCII, no space at either end`),
    )
    .max(LISTED_MAX);
}

const mccList = z
  .array(
    z
      .string()
      .regex(/^\d{4}(-\d{4})?$/, 'must be a merchant category code, "5411", or a range of them, "5811-5814"')
      .refine(
        (entry) => entry.length !== 9 || entry.slice(0, 4) <= entry.slice(5),
        'must be a range from the lower to the higher code',
      )
      .openapi({ pattern: '^\\d{4}(-\\d{4})?$', example: '5811-5814' }),
  )
  .max(LISTED_MAX);

const channels = z.array(z.enum(CONTROLLED_CHANNELS)).max(CONTROLLED_CHANNELS.length);

const WEEKDAY = 'must be a day from 1, Monday, to 7, Sunday';

const hourSpan = z
  .strictObject({
    days: z
      .array(z.int().min(1, WEEKDAY).max(7, WEEKDAY))
      .min(1, 'must name at least one day, 1 is Monday')
      .max(7)
      .openapi({ description: '1 is Monday, 7 is Sunday.' }),
    from: z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be a time of day, "00:00" to "23:59"'),
    to: z.string().regex(/^(([01]\d|2[0-3]):[0-5]\d|24:00)$/, 'must be a time of day, "00:00" to "24:00"'),
  })
  .refine(({ from, to }) => from !== to, {
    path: ['to'],
    message: 'must differ from "from"; a whole day is "00:00" to "24:00"',
  })
  .openapi('HourSpan', {
    description:
      'On the cardholder’s clock, `from` inclusive and `to` exclusive. A span whose `to` is before its `from` ends on the next day and belongs to the day it begins.',
  });

const instant = z
  .string()
  .refine(isInstant, 'must be an instant with its offset, such as "2026-12-31T00:00:00Z"')
  .openapi({ format: 'date-time', example: '2026-12-31T00:00:00Z' });

function isInstant(text: string): boolean {
  return (
    /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})$/.test(text) &&
    !Number.isNaN(Date.parse(text)) &&
    // In the years that are written with four digits, in UTC too.
    /^\d{4}-/.test(new Date(text).toISOString())
  );
}

const velocityRule = z
  .strictObject({
    window_seconds: z.int().min(1).max(VELOCITY_WINDOW_MAX_SECONDS),
    max_count: z.int().min(1).max(VELOCITY_KEPT_MAX),
    max_amount: cents.optional(),
    merchant_groups: z.array(merchantGroupInput).min(1).max(GROUPS.length).optional(),
    per: z.enum(['card', 'account']),
  })
  .openapi('VelocityRule', {
    description:
      'At most so many purchases, and so much, within any so many seconds; with `merchant_groups` only at those merchants. A purchase counts until it is exactly as old as the window.',
  });

const fleet = z
  .strictObject({
    fuel_only: z.boolean(),
    per_fill_amount: cents,
    per_fill_volume_ml: z.int().min(1).max(100_000_000),
    tank_ml: z.int().min(1).max(100_000_000),
    allowed_fuel_types: idList(40, 'a fuel as the network names it'),
    allowed_stations: idList(64, 'the network’s id of a merchant'),
    odometer_required: z.boolean().openapi({
      description:
        'Networks that tell the odometer only after the clearing, as Lithic does, make every fill refused by it.',
    }),
    odometer_max_per_day: z.int().min(1).max(10_000),
    driver_id_required: z.boolean(),
    allowed_driver_ids: idList(40, 'a driver’s id as typed at the pump'),
    vehicle_id_required: z.boolean(),
    allowed_vehicle_ids: idList(40, 'a vehicle’s id as typed at the pump'),
  })
  .partial()
  .openapi('FleetControls', {
    description:
      'For fuel cards. Prompts and volumes are checked on purchases of fuel; what the network did not send although it is required is refused. Volumes are checked where the network sends them.',
  });

const fields = z
  .strictObject({
    limits,
    allowed_merchant_groups: z.array(merchantGroupInput).max(GROUPS.length),
    blocked_merchant_groups: z.array(merchantGroupInput).max(GROUPS.length),
    allowed_mccs: mccList,
    blocked_mccs: mccList,
    allowed_merchants: idList(64, 'the network’s id of a merchant'),
    blocked_merchants: idList(64, 'the network’s id of a merchant'),
    merchant_lock: z.enum(['first_use']).openapi({ description: 'Locks each card to the merchant of its first use.' }),
    allowed_merchant_countries: z.array(countryInput).max(COUNTRIES_MAX),
    blocked_merchant_countries: z.array(countryInput).max(COUNTRIES_MAX),
    allowed_channels: channels,
    blocked_channels: channels,
    cash_withdrawals: z.boolean().openapi({ description: 'False: no cash at machines, counters and tills.' }),
    foreign_currency: z.boolean().openapi({ description: 'False: only merchants that charge in the card’s currency.' }),
    never: z.boolean().openapi({
      description:
        'True: nothing is allowed at any time. What is in force where a change that waits for its cooling-off leaves no time that both documents allow.',
    }),
    hours: z.array(hourSpan).min(1, 'must have at least one span; leave it out for no restriction').max(HOURS_MAX),
    valid_from: instant.openapi({ description: 'Inclusive.' }),
    valid_until: instant.openapi({ description: 'Exclusive.' }),
    single_use: z
      .boolean()
      .openapi({ description: 'Each card is for one purchase; one taken back as a whole does not count.' }),
    velocity: z.array(velocityRule).max(VELOCITY_RULES_MAX),
    fleet,
  })
  .partial();

function checkTogether(value: z.output<typeof fields>, context: z.RefinementCtx): void {
  const issue = (path: (string | number)[], message: string) => context.addIssue({ code: 'custom', path, message });
  const { valid_from, valid_until, velocity = [] } = value;
  if (valid_from !== undefined && valid_until !== undefined && Date.parse(valid_from) >= Date.parse(valid_until)) {
    issue(['valid_until'], 'must be after valid_from');
  }
  const kept = velocity.reduce((sum, rule) => sum + rule.max_count, 0);
  if (kept > VELOCITY_KEPT_MAX && velocity.every((rule) => rule.max_count <= VELOCITY_KEPT_MAX)) {
    issue(['velocity'], `the max_count of all rules together must be at most ${VELOCITY_KEPT_MAX}, not ${kept}`);
  }
}

/** Controls of an account or a program; what is left out is not restricted. */
export const controls = fields.superRefine(checkTogether).openapi('SpendControls', {
  description:
    'Controls of a program, an account or a card. All that are in force apply, and each list by itself. Limits are for the card on a card, for the account elsewhere.',
});

/** Controls of a card: what other cards of the account do is no business of theirs. */
export const cardControls = fields
  .superRefine((value, context) => {
    checkTogether(value, context);
    for (const [index, { per }] of (value.velocity ?? []).entries()) {
      if (per === 'card') continue;
      context.addIssue({
        code: 'custom',
        path: ['velocity', index, 'per'],
        message: 'must be "card" here; a rule for all cards belongs into the account’s controls',
      });
    }
  })
  .openapi('CardControls');

/** The schema's optional fields may be `undefined`; the rules' fields are there or not. */
export function toControls(input: z.output<typeof controls>): SpendControls {
  return JSON.parse(JSON.stringify(input)) as SpendControls;
}
