import type { MerchantGroup, SpendLimits } from '../../programs/rules/program-policy';

/** Ways of paying that a control may name. */
export const CONTROLLED_CHANNELS = [
  'ecommerce',
  'contactless',
  'chip',
  'magstripe',
  'manual',
  'atm',
  'recurring',
] as const;

export type ControlledChannel = (typeof CONTROLLED_CHANNELS)[number];

/** A part of the week on the cardholder's clock. Days are ISO 8601's, 1 is Monday. */
export interface HourSpan {
  readonly days: readonly number[];
  /** `HH:MM`, inclusive. */
  readonly from: string;
  /** `HH:MM` or `24:00`, exclusive. At or before `from` it is on the next day: a span over midnight belongs to the day it begins. */
  readonly to: string;
}

/** What may be spent within any `window_seconds`, to the millisecond: a purchase counts until it is exactly that old. */
export interface VelocityRule {
  readonly window_seconds: number;
  /** Purchases within the window, the new one included. */
  readonly max_count: number;
  /** Cents within the window, the new purchase included. */
  readonly max_amount?: string;
  /** Only purchases at these merchants count, and only they are refused. */
  readonly merchant_groups?: readonly MerchantGroup[];
  readonly per: 'card' | 'account';
}

/** What companies with vehicles set for their fuel cards. All but `fuel_only` looks at purchases of fuel only. */
export interface FleetControls {
  readonly fuel_only?: boolean;
  /** Cents. */
  readonly per_fill_amount?: string;
  /** Millilitres, where the network tells the volume. */
  readonly per_fill_volume_ml?: number;
  /** What the vehicle can take, millilitres. */
  readonly tank_ml?: number;
  readonly allowed_fuel_types?: readonly string[];
  /** Merchant ids of the stations. */
  readonly allowed_stations?: readonly string[];
  readonly odometer_required?: boolean;
  /** How far the vehicle can get in a day; a reading beyond it since the last one is refused. */
  readonly odometer_max_per_day?: number;
  readonly driver_id_required?: boolean;
  readonly allowed_driver_ids?: readonly string[];
  readonly vehicle_id_required?: boolean;
  readonly allowed_vehicle_ids?: readonly string[];
}

/**
 * Controls on spending, the same on a program (for each of its accounts and cards), an account and a card; all that are in
 * force apply, and each list by itself. What is left out is not restricted. Stored as JSON; amounts are strings of cents.
 */
export interface SpendControls {
  /** On a card for the card, on an account and a program for the account. */
  readonly limits?: SpendLimits;
  readonly allowed_merchant_groups?: readonly MerchantGroup[];
  readonly blocked_merchant_groups?: readonly MerchantGroup[];
  /** Merchant category codes, `5411`, or ranges of them, `5811-5814`. */
  readonly allowed_mccs?: readonly string[];
  readonly blocked_mccs?: readonly string[];
  /** The network's ids of merchants. */
  readonly allowed_merchants?: readonly string[];
  readonly blocked_merchants?: readonly string[];
  /** The card is for the merchant at which it is first used; a purchase that is taken back as a whole frees it. */
  readonly merchant_lock?: 'first_use';
  readonly allowed_merchant_countries?: readonly string[];
  readonly blocked_merchant_countries?: readonly string[];
  readonly allowed_channels?: readonly ControlledChannel[];
  readonly blocked_channels?: readonly ControlledChannel[];
  /** False: no cash at machines, counters and tills. */
  readonly cash_withdrawals?: boolean;
  /** False: only where the merchant's currency is the card's. */
  readonly foreign_currency?: boolean;
  /** Nothing is allowed at any time: what is left where the hours or the validity of two documents have nothing in common. */
  readonly never?: boolean;
  /** When the card may be used, on the cardholder's clock. */
  readonly hours?: readonly HourSpan[];
  /** ISO 8601, inclusive. */
  readonly valid_from?: string;
  /** ISO 8601, exclusive. */
  readonly valid_until?: string;
  /** Each card is for one purchase; one that is taken back as a whole does not count. */
  readonly single_use?: boolean;
  readonly velocity?: readonly VelocityRule[];
  readonly fleet?: FleetControls;
}

/** Controls that take effect later, because they are looser than those in force and the program has a cooling-off. */
export interface PendingControls {
  readonly controls: SpendControls;
  /** ISO 8601. */
  readonly effective_at: string;
}

/** What is in force at an instant: what was waiting takes the place of the rest once its time has come. */
export function effectiveControls(
  stored: SpendControls,
  pending: PendingControls | null | undefined,
  now: Date,
): SpendControls {
  return pending && now.getTime() >= Date.parse(pending.effective_at) ? pending.controls : stored;
}

/** Purchases that the velocity rules of one document may need kept: as many as each of them lets through. */
export const VELOCITY_KEPT_MAX = 100;
/** A month of 31 days. */
export const VELOCITY_WINDOW_MAX_SECONDS = 2_678_400;
/** Velocity rules of one document. */
export const VELOCITY_RULES_MAX = 20;
/** Spans of hours of one document. */
export const HOURS_MAX = 50;
/** Entries of a list of merchants, stations, people, vehicles or categories. */
export const LISTED_MAX = 500;
/** Entries of a list of countries. */
export const COUNTRIES_MAX = 250;
