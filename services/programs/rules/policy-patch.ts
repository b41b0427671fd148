import type { Asset } from '../../shared/money';
import type { CollateralTerms, ProgramPolicy, SpendLimits } from './program-policy';

/** A change of a policy: fields that are left out stay, a `null` inside a table removes that entry, lists are replaced. */
export interface PolicyPatch {
  readonly allowed_residence_countries?: readonly string[] | undefined;
  readonly blocked_merchant_countries?: readonly string[] | undefined;
  readonly blocked_merchant_groups?: ProgramPolicy['blocked_merchant_groups'] | undefined;
  readonly stablecoins?: readonly string[] | undefined;
  readonly default_funding_mode?: ProgramPolicy['default_funding_mode'] | undefined;
  readonly partial_approvals?: boolean | undefined;
  readonly decline_on_avs_mismatch?: boolean | undefined;
  readonly decline_on_cvc_mismatch?: boolean | undefined;
  readonly hold_allowance_bps?: Readonly<Record<string, number | null | undefined>> | undefined;
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
}

/** What is wrong with a policy; `pointer` is relative to the document. */
export interface PolicyProblem {
  readonly pointer: string;
  readonly detail: string;
}

/** The policy after a change. The result still has to pass {@link policyProblem}. */
export function applyPolicyPatch(base: ProgramPolicy, patch: PolicyPatch): ProgramPolicy {
  const { hold_allowance_bps, hold_days, limits, credit, ...rest } = patch;
  return {
    ...base,
    ...withoutUndefined(rest),
    hold_allowance_bps: mergeTable(base.hold_allowance_bps, hold_allowance_bps),
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

/** The first thing in a policy that does not fit together, or null. */
export function policyProblem(policy: ProgramPolicy, assets: ReadonlyMap<string, Asset>): PolicyProblem | null {
  for (const [index, code] of policy.stablecoins.entries()) {
    if (assets.get(code)?.kind !== 'stablecoin') {
      return { pointer: `/stablecoins/${index}`, detail: `${code} is not a stablecoin of this installation` };
    }
  }
  if (policy.stablecoins.length === 0) return { pointer: '/stablecoins', detail: 'at least one stablecoin is needed' };
  for (const [code, terms] of Object.entries(policy.credit.collateral)) {
    const pointer = `/credit/collateral/${code}`;
    if (assets.get(code)?.kind !== 'crypto') {
      return { pointer, detail: `${code} is not a crypto asset of this installation` };
    }
    if (terms.ltv_bps >= terms.liquidation_threshold_bps) {
      return { pointer: `${pointer}/ltv_bps`, detail: 'ltv_bps must be below liquidation_threshold_bps' };
    }
  }
  return null;
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
