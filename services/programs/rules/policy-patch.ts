import type { SpendControls } from '../../cards/rules/spend-controls';
import type { Asset } from '../../shared/money';
import type {
  CollateralTerms,
  FixedHold,
  PartnerDecisionPolicy,
  ProgramLimits,
  ProgramPolicy,
  SpendLimits,
  StandInRules,
} from './program-policy';

/** The same document where what is left out may also be there as `undefined`. */
type Loose<T> = T extends readonly (infer Item)[]
  ? readonly Loose<Item>[]
  : T extends object
    ? { readonly [Field in keyof T]: Loose<T[Field]> | undefined }
    : T;

/** A change of a policy: fields that are left out stay, a `null` inside a table removes that entry, lists are replaced. */
export interface PolicyPatch {
  readonly allowed_residence_countries?: readonly string[] | undefined;
  readonly blocked_merchant_countries?: readonly string[] | undefined;
  readonly blocked_merchant_groups?: ProgramPolicy['blocked_merchant_groups'] | undefined;
  readonly stablecoins?: readonly string[] | undefined;
  readonly default_funding_mode?: ProgramPolicy['default_funding_mode'] | undefined;
  readonly funding_at?: ProgramPolicy['funding_at'] | undefined;
  readonly partial_approvals?: boolean | undefined;
  readonly decline_on_avs_mismatch?: boolean | undefined;
  readonly decline_on_cvc_mismatch?: boolean | undefined;
  readonly hold_allowance_bps?: Readonly<Record<string, number | null | undefined>> | undefined;
  readonly hold_fixed_amount?: Readonly<Record<string, FixedHold | null | undefined>> | undefined;
  readonly min_leg_amount?: string | undefined;
  readonly stablecoin_cost_bps?: Readonly<Record<string, number | null | undefined>> | undefined;
  readonly conversion_buffer_bps?: number | undefined;
  readonly controls_cooling_off_hours?: number | undefined;
  readonly hold_days?: Readonly<Record<string, number | null | undefined>> | undefined;
  readonly foreign_currency_fee_bps?: number | undefined;
  readonly cash_withdrawal_fee?: ProgramPolicy['cash_withdrawal_fee'] | undefined;
  readonly limits?: { readonly [Limit in keyof SpendLimits]?: SpendLimits[Limit] | null | undefined } | undefined;
  readonly credit?:
    | {
        readonly enabled?: boolean | undefined;
        readonly spread_bps?: number | undefined;
        readonly collateral?: Readonly<Record<string, CollateralTerms | null>> | undefined;
      }
    | undefined;
  /** Replaced as a whole; null: the program restricts nothing by them. */
  readonly controls?: Loose<SpendControls> | null | undefined;
  readonly program_limits?: Loose<ProgramLimits> | null | undefined;
  /** `stand_in` is replaced as a whole; null: the fintech is no longer asked. */
  readonly partner_decision?: PartnerDecisionPatch | null | undefined;
}

export interface PartnerDecisionPatch {
  readonly enabled?: boolean | undefined;
  readonly timeout_ms?: number | undefined;
  readonly stand_in?: { readonly [Rule in keyof StandInRules]: StandInRules[Rule] | undefined } | undefined;
  readonly breaker?: { readonly failures?: number | undefined; readonly open_seconds?: number | undefined } | undefined;
}

/** What holds of a partner's decision where a change does not say otherwise: silence declines. */
const DEFAULT_PARTNER_DECISION: PartnerDecisionPolicy = {
  enabled: true,
  timeout_ms: 800,
  stand_in: { default: 'decline' },
  breaker: { failures: 5, open_seconds: 30 },
};

/** What is wrong with a policy; `pointer` is relative to the document. */
export interface PolicyProblem {
  readonly pointer: string;
  readonly detail: string;
}

/** The policy after a change. The result still has to pass {@link policyProblem}. */
export function applyPolicyPatch(base: ProgramPolicy, patch: PolicyPatch): ProgramPolicy {
  const {
    hold_allowance_bps,
    hold_fixed_amount,
    stablecoin_cost_bps,
    hold_days,
    limits,
    credit,
    partner_decision,
    controls,
    program_limits,
    ...rest
  } = patch;
  const { partner_decision: partnerBefore, controls: controlsBefore, program_limits: capsBefore, ...kept } = base;
  const partnerAfter = applyPartnerPatch(partnerBefore, partner_decision);
  return {
    ...kept,
    ...(partnerAfter === undefined ? {} : { partner_decision: partnerAfter }),
    ...replacedOrMissing('controls', controlsBefore, controls),
    ...replacedOrMissing('program_limits', capsBefore, program_limits),
    ...withoutUndefined(rest),
    hold_allowance_bps: mergeTable(base.hold_allowance_bps, hold_allowance_bps),
    ...mergedOrMissing('hold_fixed_amount', base.hold_fixed_amount, hold_fixed_amount),
    ...mergedOrMissing('stablecoin_cost_bps', base.stablecoin_cost_bps, stablecoin_cost_bps),
    hold_days: { ...mergeTable(base.hold_days, hold_days), default: hold_days?.default ?? base.hold_days.default },
    limits: mergeTable(base.limits, limits),
    credit: {
      ...base.credit,
      ...(credit?.enabled === undefined ? {} : { enabled: credit.enabled }),
      ...(credit?.spread_bps === undefined ? {} : { spread_bps: credit.spread_bps }),
      collateral: mergeTable(base.credit.collateral, credit?.collateral),
    },
  };
}

/** A part that is replaced as a whole; null takes it away. Stored without the fields that are not there. */
function replacedOrMissing<Name extends string>(
  name: Name,
  base: object | undefined,
  wanted: object | null | undefined,
) {
  const after = wanted === undefined ? base : wanted;
  return after ? { [name]: JSON.parse(JSON.stringify(after)) } : {};
}

function applyPartnerPatch(
  base: PartnerDecisionPolicy | undefined,
  patch: PartnerDecisionPatch | null | undefined,
): PartnerDecisionPolicy | undefined {
  if (patch === undefined) return base;
  if (patch === null) return undefined;
  const from = base ?? DEFAULT_PARTNER_DECISION;
  const { stand_in, breaker, ...rest } = patch;
  return {
    ...from,
    ...withoutUndefined(rest),
    stand_in: stand_in === undefined ? from.stand_in : withoutUndefined(stand_in),
    breaker: { ...from.breaker, ...withoutUndefined(breaker ?? {}) },
  };
}

/** A stand-in rule that can never decide was meant otherwise. */
function standInProblem(rules: StandInRules): PolicyProblem | null {
  const pointer = '/partner_decision/stand_in';
  const approves = rules.approve_up_to !== undefined || rules.approve_merchant_groups !== undefined;
  const declines = rules.decline_above !== undefined || rules.decline_merchant_groups !== undefined;
  if (rules.default === 'approve' && approves) {
    return {
      pointer,
      detail: 'with the default "approve" rules that approve change nothing: use "decline" as the default',
    };
  }
  if (rules.default === 'decline' && !approves && declines) {
    return { pointer, detail: 'with the default "decline" rules that decline change nothing: say what is approved' };
  }
  return null;
}

/** The first thing in a policy that does not fit together, or null. */
export function policyProblem(policy: ProgramPolicy, assets: ReadonlyMap<string, Asset>): PolicyProblem | null {
  for (const [index, code] of policy.stablecoins.entries()) {
    if (assets.get(code)?.kind !== 'stablecoin') {
      return { pointer: `/stablecoins/${index}`, detail: `${code} is not a stablecoin of this installation` };
    }
  }
  if (policy.stablecoins.length === 0) return { pointer: '/stablecoins', detail: 'at least one stablecoin is needed' };
  for (const code of Object.keys(policy.stablecoin_cost_bps ?? {})) {
    if (policy.stablecoins.includes(code)) continue;
    const detail = `${code} is not among the stablecoins of the program: list it there, or send null here to leave it out`;
    return { pointer: `/stablecoin_cost_bps/${code}`, detail };
  }
  for (const [group, fixed] of Object.entries(policy.hold_fixed_amount ?? {})) {
    if (BigInt(fixed.hold) >= BigInt(fixed.up_to)) continue;
    const detail = `hold must be at least up_to (${fixed.up_to} cents): it is the worst case of such a request`;
    return { pointer: `/hold_fixed_amount/${group}/hold`, detail };
  }
  for (const [code, terms] of Object.entries(policy.credit.collateral)) {
    const pointer = `/credit/collateral/${code}`;
    if (assets.get(code)?.kind !== 'crypto') {
      return { pointer, detail: `${code} is not a crypto asset of this installation` };
    }
    if (terms.ltv_bps >= terms.liquidation_threshold_bps) {
      return { pointer: `${pointer}/ltv_bps`, detail: 'ltv_bps must be below liquidation_threshold_bps' };
    }
  }
  if (policy.partner_decision !== undefined) return standInProblem(policy.partner_decision.stand_in);
  return null;
}

/** A table that a policy may lack: it stays missing until something is put into it. */
function mergedOrMissing<Name extends string, Table extends object>(
  name: Name,
  base: Table | undefined,
  patch: object | undefined,
): { readonly [Field in Name]?: Table } {
  if (base === undefined && patch === undefined) return {};
  return { [name]: mergeTable(base ?? {}, patch) } as { readonly [Field in Name]?: Table };
}

function mergeTable<Table extends object>(base: Table, patch: object | undefined): Table {
  const merged: Record<string, unknown> = Object.fromEntries(Object.entries(base));
  for (const [name, value] of Object.entries(patch ?? {})) {
    if (value === null) delete merged[name];
    else if (value !== undefined) merged[name] = value;
  }
  return merged as Table;
}

function withoutUndefined<T extends object>(fields: T): { [Name in keyof T]: Exclude<T[Name], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [Name in keyof T]: Exclude<T[Name], undefined>;
  };
}
