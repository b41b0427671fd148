import type { DeclineReason } from '../../authorizations/rules/decline-reason';
import {
  type MerchantGroup,
  merchantGroup,
  type ProgramLimits,
  type ProgramPolicy,
  type SpendLimits,
} from '../../programs/rules/program-policy';
import { formatDecimal } from '../../shared/money';
import { basisPointsRoundUp } from '../../shared/rounding';
import type { FleetData } from './fleet-data';
import { countersNow, type LimitCounters, type Remembered, type StoredLimitCounters } from './limit-counters';
import { type LocalMoment, localMoment, WINDOW_KINDS, type WindowKind } from './limit-windows';
import {
  effectiveControls,
  type HourSpan,
  type PendingControls,
  type SpendControls,
  type VelocityRule,
} from './spend-controls';

export type ControlLevel = 'program' | 'account' | 'card';

/** Which control refused, for whoever has to explain it. */
export interface ControlRefusal {
  readonly reason: DeclineReason;
  readonly level: ControlLevel;
  /** The field of the document, as a path. */
  readonly control: string;
  /** In words for support: what was asked and what the control says. */
  readonly detail: string;
}

/** A document in force, with the level it stands on and where it is found there. */
interface ControlDocument {
  readonly level: ControlLevel;
  readonly controls: SpendControls;
  readonly path: string;
}

/** The documents in force that restrict something, from the outermost level in. */
export type ControlsInForce = readonly ControlDocument[];

/** Controls as a row keeps them. */
interface StoredControls {
  readonly controls: SpendControls;
  readonly pending: PendingControls | null;
}

/** What is in force on all three levels; `card` is null for a quote that names none. */
export function controlsInForce(
  policy: Pick<ProgramPolicy, 'limits' | 'blocked_merchant_countries' | 'blocked_merchant_groups' | 'controls'>,
  account: StoredControls,
  card: StoredControls | null,
  now: Date,
): ControlsInForce {
  const { limits, blocked_merchant_countries, blocked_merchant_groups, controls } = policy;
  const documents: ControlDocument[] = [
    { level: 'program', controls: { limits, blocked_merchant_countries, blocked_merchant_groups }, path: '' },
  ];
  if (controls) documents.push({ level: 'program', controls, path: 'controls.' });
  const ofAccount = effectiveControls(account.controls, account.pending, now);
  if (restricts(ofAccount)) documents.push({ level: 'account', controls: ofAccount, path: '' });
  const ofCard = card && effectiveControls(card.controls, card.pending, now);
  if (ofCard && restricts(ofCard)) documents.push({ level: 'card', controls: ofCard, path: '' });
  return documents;
}

function restricts(controls: SpendControls): boolean {
  for (const _ in controls) return true;
  return false;
}

/** What somebody who only asks need not say: controls that look at it let such a question through. */
export type UnsaidFact = 'mcc' | 'merchant' | 'country' | 'channel' | 'fleet';

/** What controls look at. Amounts are cents of `currency`. */
export interface ControlledSpend {
  readonly kind: string;
  readonly amount: bigint;
  readonly currency: string;
  readonly mcc: string;
  readonly merchantId: string;
  readonly merchantCountry: string;
  readonly merchantCurrency: string;
  readonly channel: string;
  readonly cashAmount: bigint;
  readonly fleet: FleetData | null;
  /** Left out where the network asks: what it does not tell is unknown, and no list allows that. */
  readonly unsaid?: readonly UnsaidFact[];
}

const DAY_MS = 86_400_000;

/** Fuel at a counter, at a pump, delivered, and electricity for vehicles. */
const FUEL_MCCS: readonly string[] = ['5541', '5542', '5552', '5983'];

/** Usage of a program that is older says too little of what was spent since. */
const PROGRAM_USAGE_MAX_AGE_MS = 60_000;

const IN_WORDS: Readonly<Record<WindowKind, string>> = {
  day: 'a day',
  week: 'a week',
  month: 'a month',
  year: 'a year',
  all_time: 'all time',
};

export const AMOUNT_OF = {
  day: 'day_amount',
  week: 'week_amount',
  month: 'month_amount',
  year: 'year_amount',
  all_time: 'all_time_amount',
} as const satisfies Record<WindowKind, keyof SpendLimits>;

export const COUNT_OF = {
  day: 'day_count',
  week: 'week_count',
  month: 'month_count',
  year: 'year_count',
  all_time: 'all_time_count',
} as const satisfies Record<WindowKind, keyof SpendLimits>;

/** What every check of one spending shares. */
interface UseContext {
  readonly spend: ControlledSpend;
  readonly group: MerchantGroup | null;
  readonly fuel: boolean;
  readonly now: Date;
  readonly timeZone: string;
  /** Counters of the card; null for a quote that names none. */
  readonly card: LimitCounters | null;
}

/**
 * When a control judges more of a purchase that it let in before: `always` where it is about whom the card pays, for what, and whether
 * it may be used at all; `presented` where it is about the use that a cardholder makes of the card, which a merchant who asks for more on
 * its own does not; `never` where the purchase has met it once and for all, or would stand in its own way.
 */
type JudgesAgain = 'always' | 'presented' | 'never';

interface UseCheck {
  readonly control: string;
  readonly again: JudgesAgain;
  readonly reason: DeclineReason;
  /** What it looks at, where a question may leave that open. */
  readonly about?: UnsaidFact;
  /** What to say when it refuses, else null. */
  readonly refuses: (controls: SpendControls, context: UseContext) => string | null;
}

function notListed(list: readonly string[] | undefined, value: string, what: string): string | null {
  return list && !list.includes(value) ? `${what} ${value || 'unknown'} is not among those allowed` : null;
}

function listed(list: readonly string[] | undefined, value: string, what: string): string | null {
  return list?.includes(value) ? `${what} ${value} is blocked` : null;
}

/** Whether a list of codes and ranges of codes holds `mcc`. */
function holdsMcc(list: readonly string[], mcc: string): boolean {
  for (const entry of list) {
    if (entry.length === 4 ? entry === mcc : mcc >= entry.slice(0, 4) && mcc <= entry.slice(5)) return true;
  }
  return false;
}

function withinHours(spans: readonly HourSpan[], moment: LocalMoment): boolean {
  const yesterday = moment.weekday === 1 ? 7 : moment.weekday - 1;
  return spans.some(({ days, from, to }) => {
    const [begin, end] = [minuteOfDay(from), minuteOfDay(to)];
    if (begin < end) return days.includes(moment.weekday) && moment.minute >= begin && moment.minute < end;
    return (
      (days.includes(moment.weekday) && moment.minute >= begin) || (days.includes(yesterday) && moment.minute < end)
    );
  });
}

/** Minutes from midnight to `HH:MM`. */
export function minuteOfDay(time: string): number {
  return Number(time.slice(0, 2)) * 60 + Number(time.slice(3, 5));
}

/** A driver's or vehicle's number as networks carry it: leading zeros come and go on the way. */
export function plainNumber(id: string): string {
  return id.replace(/^0+(?=.)/, '');
}

type Prompt = 'driverId' | 'vehicleId';

function notSent(what: string, prompt: Prompt, { fuel, spend }: UseContext): string | null {
  return fuel && spend.amount > 0n && !spend.fleet?.[prompt] ? `the ${what} was not sent` : null;
}

function notKnown(
  allowed: readonly string[] | undefined,
  what: string,
  prompt: Prompt,
  { fuel, spend }: UseContext,
): string | null {
  const sent = spend.fleet?.[prompt];
  if (allowed === undefined || !fuel || !sent) return null;
  const known = allowed.some((each) => plainNumber(each) === plainNumber(sent));
  return known ? null : `${what} ${sent} is not among those allowed`;
}

function odometerRefusal(
  fleet: NonNullable<SpendControls['fleet']>,
  reading: bigint | null | undefined,
  { card, now }: UseContext,
): string | null {
  if (reading === null || reading === undefined) return fleet.odometer_required ? 'the odometer was not sent' : null;
  const last = card?.odometer;
  if (!last) return null;
  if (reading <= last.value) return `odometer ${reading} is not above the last one, ${last.value}`;
  if (fleet.odometer_max_per_day === undefined) return null;
  const days = Math.max(1, Math.ceil((now.getTime() - last.at) / DAY_MS));
  const reachable = last.value + BigInt(fleet.odometer_max_per_day) * BigInt(days);
  return reading > reachable ? `odometer ${reading} is beyond ${reachable}, which the vehicle can have reached` : null;
}

export function isFuel({ mcc }: ControlledSpend): boolean {
  return FUEL_MCCS.includes(mcc);
}

function isCash({ kind, cashAmount }: ControlledSpend): boolean {
  return kind === 'cash_withdrawal' || cashAmount > 0n;
}

/** Controls that say yes or no whatever the amount, in the order of `DECLINE_REASONS`. */
const USE_CHECKS: readonly UseCheck[] = [
  {
    control: 'never',
    again: 'always',
    reason: 'outside_validity',
    refuses: ({ never }) => (never === true ? 'nothing is allowed at any time' : null),
  },
  {
    control: 'valid_from',
    again: 'always',
    reason: 'outside_validity',
    refuses: ({ valid_from }, { now }) =>
      valid_from !== undefined && now.getTime() < Date.parse(valid_from) ? `not valid before ${valid_from}` : null,
  },
  {
    control: 'valid_until',
    again: 'always',
    reason: 'outside_validity',
    refuses: ({ valid_until }, { now }) =>
      valid_until !== undefined && now.getTime() >= Date.parse(valid_until) ? `not valid since ${valid_until}` : null,
  },
  {
    control: 'foreign_currency',
    again: 'always',
    reason: 'foreign_currency_blocked',
    refuses: ({ foreign_currency }, { spend }) =>
      foreign_currency === false && spend.merchantCurrency !== spend.currency
        ? `the merchant charges in ${spend.merchantCurrency}`
        : null,
  },
  {
    control: 'allowed_merchant_countries',
    again: 'always',
    about: 'country',
    reason: 'country_blocked',
    refuses: (controls, { spend }) => notListed(controls.allowed_merchant_countries, spend.merchantCountry, 'country'),
  },
  {
    control: 'blocked_merchant_countries',
    again: 'always',
    about: 'country',
    reason: 'country_blocked',
    refuses: (controls, { spend }) => listed(controls.blocked_merchant_countries, spend.merchantCountry, 'country'),
  },
  {
    control: 'blocked_merchant_groups',
    again: 'always',
    about: 'mcc',
    reason: 'mcc_blocked',
    refuses: (controls, { group }) => (group ? listed(controls.blocked_merchant_groups, group, 'group') : null),
  },
  {
    control: 'allowed_merchant_groups',
    again: 'always',
    about: 'mcc',
    reason: 'mcc_blocked',
    refuses: ({ allowed_merchant_groups: allowed }, { group, spend }) =>
      allowed && (group === null || !allowed.includes(group))
        ? `category ${spend.mcc} is in none of the groups allowed`
        : null,
  },
  {
    control: 'blocked_mccs',
    again: 'always',
    about: 'mcc',
    reason: 'mcc_blocked',
    refuses: ({ blocked_mccs }, { spend }) =>
      blocked_mccs && holdsMcc(blocked_mccs, spend.mcc) ? `category ${spend.mcc} is blocked` : null,
  },
  {
    control: 'allowed_mccs',
    again: 'always',
    about: 'mcc',
    reason: 'mcc_blocked',
    refuses: ({ allowed_mccs }, { spend }) =>
      allowed_mccs && !holdsMcc(allowed_mccs, spend.mcc) ? `category ${spend.mcc} is not among those allowed` : null,
  },
  {
    control: 'fleet.fuel_only',
    again: 'always',
    about: 'mcc',
    reason: 'mcc_blocked',
    refuses: ({ fleet }, { fuel, spend }) => (fleet?.fuel_only && !fuel ? `category ${spend.mcc} is not fuel` : null),
  },
  {
    control: 'blocked_merchants',
    again: 'always',
    about: 'merchant',
    reason: 'merchant_blocked',
    refuses: (controls, { spend }) => listed(controls.blocked_merchants, spend.merchantId, 'merchant'),
  },
  {
    control: 'allowed_merchants',
    again: 'always',
    about: 'merchant',
    reason: 'merchant_blocked',
    refuses: (controls, { spend }) => notListed(controls.allowed_merchants, spend.merchantId, 'merchant'),
  },
  {
    control: 'merchant_lock',
    again: 'always',
    about: 'merchant',
    reason: 'merchant_blocked',
    refuses: ({ merchant_lock }, { card, spend }) =>
      merchant_lock !== undefined && card?.lock && card.lock.merchantId !== spend.merchantId
        ? `the card is for merchant ${card.lock.merchantId} only`
        : null,
  },
  {
    control: 'fleet.allowed_stations',
    again: 'always',
    about: 'merchant',
    reason: 'merchant_blocked',
    refuses: ({ fleet }, { fuel, spend }) =>
      fuel && fleet ? notListed(fleet.allowed_stations, spend.merchantId, 'station') : null,
  },
  {
    control: 'blocked_channels',
    again: 'always',
    about: 'channel',
    reason: 'channel_blocked',
    refuses: (controls, { spend }) => listed(controls.blocked_channels, spend.channel, 'paying by'),
  },
  {
    control: 'allowed_channels',
    again: 'always',
    about: 'channel',
    reason: 'channel_blocked',
    refuses: (controls, { spend }) => notListed(controls.allowed_channels, spend.channel, 'paying by'),
  },
  {
    control: 'cash_withdrawals',
    again: 'always',
    reason: 'channel_blocked',
    refuses: ({ cash_withdrawals }, { spend }) =>
      cash_withdrawals === false && isCash(spend) ? 'no cash is handed out on this card' : null,
  },
  {
    control: 'hours',
    again: 'presented',
    reason: 'hours_blocked',
    refuses: ({ hours }, { now, timeZone }) =>
      hours && !withinHours(hours, localMoment(now, timeZone)) ? `outside the hours allowed in ${timeZone}` : null,
  },
  {
    control: 'single_use',
    again: 'never',
    reason: 'single_use_spent',
    refuses: ({ single_use }, { card }) =>
      single_use && card && card.all_time.count > 0 ? 'the purchase that the card was for has been made' : null,
  },
  {
    control: 'fleet.driver_id_required',
    again: 'never',
    about: 'fleet',
    reason: 'fleet_data_required',
    refuses: ({ fleet }, context) =>
      fleet?.driver_id_required || fleet?.allowed_driver_ids ? notSent('driver id', 'driverId', context) : null,
  },
  {
    control: 'fleet.vehicle_id_required',
    again: 'never',
    about: 'fleet',
    reason: 'fleet_data_required',
    refuses: ({ fleet }, context) =>
      fleet?.vehicle_id_required || fleet?.allowed_vehicle_ids ? notSent('vehicle id', 'vehicleId', context) : null,
  },
  {
    control: 'fleet.odometer',
    again: 'never',
    about: 'fleet',
    reason: 'fleet_data_required',
    refuses: ({ fleet }, context) =>
      fleet && context.fuel && context.spend.amount > 0n
        ? odometerRefusal(fleet, context.spend.fleet?.odometer, context)
        : null,
  },
  {
    control: 'fleet.allowed_driver_ids',
    again: 'always',
    about: 'fleet',
    reason: 'driver_id_invalid',
    refuses: ({ fleet }, context) => notKnown(fleet?.allowed_driver_ids, 'driver id', 'driverId', context),
  },
  {
    control: 'fleet.allowed_vehicle_ids',
    again: 'always',
    about: 'fleet',
    reason: 'vehicle_id_invalid',
    refuses: ({ fleet }, context) => notKnown(fleet?.allowed_vehicle_ids, 'vehicle id', 'vehicleId', context),
  },
  {
    control: 'fleet.allowed_fuel_types',
    again: 'always',
    reason: 'fleet_limit_exceeded',
    refuses: ({ fleet }, { spend }) =>
      fleet && spend.fleet?.fuelType ? notListed(fleet.allowed_fuel_types, spend.fleet.fuelType, 'fuel') : null,
  },
  {
    control: 'fleet.per_fill_volume_ml',
    again: 'always',
    reason: 'fleet_limit_exceeded',
    refuses: ({ fleet }, { spend }) => volumeRefusal(fleet?.per_fill_volume_ml, spend, 'the volume of a fill'),
  },
  {
    control: 'fleet.tank_ml',
    again: 'always',
    reason: 'fleet_limit_exceeded',
    refuses: ({ fleet }, { spend }) => volumeRefusal(fleet?.tank_ml, spend, 'what the tank takes'),
  },
];

/** The checks that look at a field of a document, by their place in {@link USE_CHECKS}. */
const CHECKS_OF_FIELD = new Map<string, number[]>();
for (const [place, { control }] of USE_CHECKS.entries()) {
  const field = control.split('.')[0] ?? control;
  CHECKS_OF_FIELD.set(field, [...(CHECKS_OF_FIELD.get(field) ?? []), place]);
}

/** The checks that can refuse under these documents, in their order: of a field that none has, nothing is to be checked. */
function checksOf(documents: ControlsInForce): readonly UseCheck[] {
  const places = new Set<number>();
  for (const { controls } of documents) {
    for (const field in controls) for (const place of CHECKS_OF_FIELD.get(field) ?? []) places.add(place);
  }
  return places.size === 0 ? [] : USE_CHECKS.filter((_, place) => places.has(place));
}

function volumeRefusal(limit: number | undefined, { fleet }: ControlledSpend, what: string): string | null {
  const volume = fleet?.fuelVolumeMl;
  if (limit === undefined || volume === null || volume === undefined || volume <= BigInt(limit)) return null;
  return `${volume} ml is above ${what}, ${limit} ml`;
}

/** What a use of a card is checked against. */
export interface UseInput {
  readonly controls: ControlsInForce;
  readonly spend: ControlledSpend;
  readonly now: Date;
  readonly timeZone: string;
  readonly cardCounters: LimitCounters | null;
  /** The purchase that `spend` comes on top of, and that was let in before; null: it is one of its own. */
  readonly onTopOf: PurchaseLetIn | null;
}

/** What of a purchase under way its controls look at again. */
export interface PurchaseLetIn {
  /** Of its first message. */
  readonly channel: string;
}

/** Channels by which the card itself is presented. */
const PRESENTED: ReadonlySet<string> = new Set(['chip', 'contactless', 'magstripe', 'atm']);

/**
 * The first control on where, when and how the card is used that refuses, or null. Money that comes back is never refused. More of a purchase
 * is judged by those that {@link JudgesAgain} says; where the merchant asks for it without the card, its channel is the purchase's.
 */
export function refuseByControls(input: UseInput): ControlRefusal | null {
  const { now, timeZone, onTopOf } = input;
  if (input.spend.kind === 'refund_authorization') return null;
  const presented = PRESENTED.has(input.spend.channel) || isCash(input.spend);
  const spend = onTopOf === null || presented ? input.spend : { ...input.spend, channel: onTopOf.channel };
  const context: UseContext = {
    spend,
    group: merchantGroup(spend.mcc),
    fuel: isFuel(spend),
    now,
    timeZone,
    card: input.cardCounters,
  };
  for (const { control, reason, about, again, refuses } of checksOf(input.controls)) {
    if (onTopOf !== null && (again === 'never' || (again === 'presented' && !presented))) continue;
    if (about && spend.unsaid?.includes(about)) continue;
    for (const { level, controls, path } of input.controls) {
      const detail = refuses(controls, context);
      if (detail !== null) return { reason, level, control: path + control, detail };
    }
  }
  return null;
}

/** What the limits leave for one more purchase. */
export interface SpendRoom {
  /** Cents; null: no limit. 0 where one more may not be counted. */
  readonly amount: bigint | null;
  /** The first limit that the amount asked for breaks, or null. */
  readonly refusal: ControlRefusal | null;
}

export interface RoomInput {
  readonly controls: ControlsInForce;
  readonly programLimits: ProgramLimits | undefined;
  readonly spend: ControlledSpend;
  readonly now: Date;
  readonly accountCounters: LimitCounters;
  readonly cardCounters: LimitCounters | null;
  readonly programUsage: StoredLimitCounters | null;
  /**
   * Cents that were approved for the purchase before: `spend.amount` comes on top of them. It has been counted, so counts
   * do not refuse it again. Null: a purchase of its own.
   */
  readonly approvedBefore: bigint | null;
}

/** Collects the tightest room, and the first limit that the amount breaks. */
class Room {
  amount: bigint | null = null;
  refusal: ControlRefusal | null = null;

  constructor(private readonly asked: bigint) {}

  bound(
    room: bigint,
    reason: DeclineReason,
    level: ControlLevel,
    control: string,
    detail: (asked: bigint) => string,
  ): void {
    const left = room > 0n ? room : 0n;
    if (this.amount === null || left < this.amount) this.amount = left;
    if (this.refusal === null && this.asked > left)
      this.refusal = { reason, level, control, detail: detail(this.asked) };
  }
}

/** The room that all limits leave: per fill, amounts, counts, velocity, and what the program as a whole may spend. */
export function spendRoom(input: RoomInput): SpendRoom {
  const { controls, spend } = input;
  const room = new Room(spend.amount);
  if (spend.kind === 'refund_authorization') return room;
  if (isFuel(spend)) for (const document of controls) boundFill(room, document, input);
  for (const document of controls) boundAmounts(room, document, input);
  if (input.approvedBefore === null) for (const document of controls) boundCounts(room, document, input);
  for (const document of controls) boundVelocity(room, document, input);
  if (input.programLimits) boundProgram(room, input.programLimits, input);
  return room;
}

/** A card's limits are for the card, all others for the account. */
function countersOf(level: ControlLevel, { accountCounters, cardCounters }: RoomInput): LimitCounters | null {
  return level === 'card' ? cardCounters : accountCounters;
}

function exceeded(what: string, limit: bigint, used: bigint, asked: bigint): string {
  return `${what} is limited to ${dollars(limit)}; ${dollars(used)} used, ${dollars(asked)} asked for`;
}

function allMade(what: string, limit: number): string {
  return `${what} is limited to ${limit} purchases, which were made`;
}

function dollars(cents: bigint): string {
  return formatDecimal(cents, 2);
}

function boundFill(room: Room, { level, controls: { fleet }, path }: ControlDocument, input: RoomInput): void {
  if (fleet?.per_fill_amount === undefined) return;
  const limit = BigInt(fleet.per_fill_amount);
  const before = input.approvedBefore ?? 0n;
  room.bound(limit - before, 'fleet_limit_exceeded', level, `${path}fleet.per_fill_amount`, (asked) =>
    exceeded('a fill', limit, before, asked),
  );
}

function boundAmounts(room: Room, { level, controls: { limits }, path }: ControlDocument, input: RoomInput): void {
  const counters = countersOf(level, input);
  if (!limits || !counters) return;
  if (limits.per_transaction_amount !== undefined) {
    const limit = BigInt(limits.per_transaction_amount);
    const before = input.approvedBefore ?? 0n;
    room.bound(limit - before, 'amount_limit_exceeded', level, `${path}limits.per_transaction_amount`, (asked) =>
      exceeded('a purchase', limit, before, asked),
    );
  }
  for (const kind of WINDOW_KINDS) {
    const text = limits[AMOUNT_OF[kind]];
    if (text === undefined) continue;
    const limit = BigInt(text);
    const used = counters[kind].amount;
    room.bound(limit - used, 'amount_limit_exceeded', level, `${path}limits.${kind}_amount`, (asked) =>
      exceeded(IN_WORDS[kind], limit, used, asked),
    );
  }
}

function boundCounts(room: Room, { level, controls: { limits }, path }: ControlDocument, input: RoomInput): void {
  const counters = countersOf(level, input);
  if (!limits || !counters) return;
  for (const kind of WINDOW_KINDS) {
    const limit = limits[COUNT_OF[kind]];
    if (limit === undefined || counters[kind].count < limit) continue;
    room.bound(0n, 'count_limit_exceeded', level, `${path}limits.${kind}_count`, () => allMade(IN_WORDS[kind], limit));
  }
}

export function covers(rule: VelocityRule, mcc: string): boolean {
  if (rule.merchant_groups === undefined) return true;
  const group = merchantGroup(mcc);
  return group !== null && rule.merchant_groups.includes(group);
}

function boundVelocity(room: Room, { level, controls, path }: ControlDocument, input: RoomInput): void {
  if (!controls.velocity) return;
  const { spend, now, approvedBefore } = input;
  for (const [index, rule] of controls.velocity.entries()) {
    const counters = rule.per === 'card' ? input.cardCounters : input.accountCounters;
    if (!counters || !covers(rule, spend.mcc)) continue;
    const { count, amount } = recentUnder(rule, counters, now);
    const control = `${path}velocity[${index}]`;
    const what = `spending within ${rule.window_seconds} s`;
    if (approvedBefore === null && count >= rule.max_count) {
      room.bound(0n, 'velocity_exceeded', level, control, () => allMade(what, rule.max_count));
    }
    if (rule.max_amount === undefined) continue;
    const limit = BigInt(rule.max_amount);
    room.bound(limit - amount, 'velocity_exceeded', level, control, (asked) => exceeded(what, limit, amount, asked));
  }
}

/** Purchases younger than the rule's window, and what came on top of any in it, at merchants that it is for. */
export function recentUnder(
  rule: VelocityRule,
  { recent }: LimitCounters,
  now: Date,
): { count: number; amount: bigint } {
  const after = now.getTime() - rule.window_seconds * 1_000;
  let count = 0;
  let amount = 0n;
  for (const known of recent) {
    if (known.at <= after || !covers(rule, known.mcc)) continue;
    if (!known.onTop) count += 1;
    amount += known.amount;
  }
  return { count, amount };
}

/** The program's caps, less the headroom that stands for what was approved since its usage was summed. */
function boundProgram(room: Room, caps: ProgramLimits, { programUsage, now, approvedBefore }: RoomInput): void {
  if (programUsage && now.getTime() - (programUsage.at ?? 0) > PROGRAM_USAGE_MAX_AGE_MS) {
    room.bound(
      0n,
      'program_limit_exceeded',
      'program',
      'program_limits',
      () => 'what the program has spent is not known: it was last summed over a minute ago',
    );
    return;
  }
  const used = countersNow(programUsage, now, caps.time_zone);
  for (const kind of WINDOW_KINDS) {
    const amountText = caps[AMOUNT_OF[kind]];
    if (amountText !== undefined) {
      const cap = BigInt(amountText);
      const limit = cap - basisPointsRoundUp(cap, caps.headroom_bps);
      const spent = used[kind].amount;
      room.bound(limit - spent, 'program_limit_exceeded', 'program', `program_limits.${kind}_amount`, (asked) =>
        exceeded(`${IN_WORDS[kind]} of the program, less headroom,`, limit, spent, asked),
      );
    }
    const countCap = caps[COUNT_OF[kind]];
    if (countCap === undefined || approvedBefore !== null) continue;
    const limit = countCap - Math.ceil((countCap * caps.headroom_bps) / 10_000);
    if (used[kind].count < limit) continue;
    room.bound(0n, 'program_limit_exceeded', 'program', `program_limits.${kind}_count`, () =>
      allMade(`${IN_WORDS[kind]} of the program, less headroom,`, limit),
    );
  }
}

/** What the controls in force will ask for of a purchase that is approved now, in the counters of the card or the account. */
export function rememberedFor(
  scope: 'card' | 'account',
  controls: ControlsInForce,
  spend: ControlledSpend,
): Remembered {
  const rules: VelocityRule[] = [];
  let merchantLock = false;
  let odometer: bigint | null = null;
  for (const { controls: document } of controls) {
    for (const rule of document.velocity ?? []) if (rule.per === scope) rules.push(rule);
    if (scope === 'account') continue;
    if (document.merchant_lock !== undefined) merchantLock = true;
    if (document.fleet && isFuel(spend)) odometer = spend.fleet?.odometer ?? null;
  }
  return {
    velocity:
      rules.length === 0
        ? null
        : (ageMs, mcc) => rules.some((rule) => ageMs < rule.window_seconds * 1_000 && covers(rule, mcc)),
    merchantLock,
    odometer,
  };
}
