import { minBigint } from '../../shared/money';
import { basisPointsRoundUp } from '../../shared/rounding';
import {
  AMOUNT_OF,
  COUNT_OF,
  type ControlLevel,
  covers,
  isFuel,
  type RoomInput,
  recentUnder,
} from './evaluate-controls';
import { countersNow, type LimitCounters } from './limit-counters';
import { WINDOW_KINDS } from './limit-windows';
import type { SpendControls } from './spend-controls';

/** One limit in force with what was used of it before a purchase. Cents, or numbers of purchases. */
export interface LimitFigure {
  readonly level: ControlLevel;
  /** The field of the document, as a path. */
  readonly control: string;
  readonly unit: 'cents' | 'purchases';
  readonly limit: bigint;
  readonly used: bigint;
  /** What one more purchase may take of it. */
  readonly left: bigint;
}

/** Every limit that `spendRoom` looks at, the exhausted ones and those with room, in its order. */
export function limitFigures(input: RoomInput): readonly LimitFigure[] {
  const { controls, spend } = input;
  if (spend.kind === 'refund_authorization') return [];
  // Limits of one purchase are for it with its increments, which are not counted as purchases again.
  const before = input.approvedBefore ?? 0n;
  const figures: LimitFigure[] = [];
  for (const { level, controls: document, path } of controls) {
    const add = (control: string, unit: LimitFigure['unit'], limit: bigint, used: bigint): void => {
      if (unit === 'cents' || input.approvedBefore === null)
        figures.push(figureOf(level, path + control, unit, limit, used));
    };
    const fill = document.fleet?.per_fill_amount;
    if (fill !== undefined && isFuel(spend)) add('fleet.per_fill_amount', 'cents', BigInt(fill), before);
    const counters = level === 'card' ? input.cardCounters : input.accountCounters;
    if (counters) addWindows(add, document, counters, before);
    for (const [index, rule] of (document.velocity ?? []).entries()) {
      const ofRule = rule.per === 'card' ? input.cardCounters : input.accountCounters;
      if (!ofRule || !covers(rule, spend.mcc)) continue;
      const { count, amount } = recentUnder(rule, ofRule, input.now);
      add(`velocity[${index}]`, 'purchases', BigInt(rule.max_count), BigInt(count));
      if (rule.max_amount !== undefined) add(`velocity[${index}]`, 'cents', BigInt(rule.max_amount), amount);
    }
  }
  return [...figures, ...programFigures(input)];
}

type Add = (control: string, unit: LimitFigure['unit'], limit: bigint, used: bigint) => void;

function addWindows(add: Add, { limits }: SpendControls, counters: LimitCounters, before: bigint): void {
  if (!limits) return;
  if (limits.per_transaction_amount !== undefined)
    add('limits.per_transaction_amount', 'cents', BigInt(limits.per_transaction_amount), before);
  for (const kind of WINDOW_KINDS) {
    const amount = limits[AMOUNT_OF[kind]];
    if (amount !== undefined) add(`limits.${AMOUNT_OF[kind]}`, 'cents', BigInt(amount), counters[kind].amount);
    const count = limits[COUNT_OF[kind]];
    if (count !== undefined) add(`limits.${COUNT_OF[kind]}`, 'purchases', BigInt(count), BigInt(counters[kind].count));
  }
}

/** The program's caps, less their headroom. */
function programFigures({ programLimits: caps, programUsage, now, approvedBefore }: RoomInput): readonly LimitFigure[] {
  if (caps === undefined) return [];
  const used = countersNow(programUsage, now, caps.time_zone);
  const figures: LimitFigure[] = [];
  for (const kind of WINDOW_KINDS) {
    const amount = caps[AMOUNT_OF[kind]];
    if (amount !== undefined) {
      const limit = BigInt(amount) - basisPointsRoundUp(BigInt(amount), caps.headroom_bps);
      figures.push(figureOf('program', `program_limits.${AMOUNT_OF[kind]}`, 'cents', limit, used[kind].amount));
    }
    const count = caps[COUNT_OF[kind]];
    if (count !== undefined && approvedBefore === null) {
      const limit = BigInt(count - Math.ceil((count * caps.headroom_bps) / 10_000));
      figures.push(
        figureOf('program', `program_limits.${COUNT_OF[kind]}`, 'purchases', limit, BigInt(used[kind].count)),
      );
    }
  }
  return figures;
}

function figureOf(
  level: ControlLevel,
  control: string,
  unit: LimitFigure['unit'],
  limit: bigint,
  used: bigint,
): LimitFigure {
  return { level, control, unit, limit, used, left: limit - minBigint(used, limit) };
}
