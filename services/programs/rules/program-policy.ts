import type { SpendControls } from '../../cards/rules/spend-controls';

/** Merchant groups that allowances and expiries are written for, with their ISO 18245 codes. */
export const MERCHANT_GROUPS = {
  restaurants: ['5811', '5812', '5813', '5814'],
  hotels: ['7011'],
  car_rental: ['7512', '7513', '7519'],
  travel: ['4411', '4511', '4722'],
  automated_fuel: ['5542'],
  fuel: ['5541', '5983'],
  gambling: ['7800', '7801', '7802', '7995'],
  adult: ['5967', '7273'],
  quasi_cash: ['4829', '6050', '6051', '6540'],
  cash: ['6010', '6011'],
} as const satisfies Record<string, readonly string[]>;

export type MerchantGroup = keyof typeof MERCHANT_GROUPS;

const GROUP_OF_MCC: ReadonlyMap<string, MerchantGroup> = new Map(
  Object.entries(MERCHANT_GROUPS).flatMap(([group, codes]) =>
    codes.map((code) => [code, group as MerchantGroup] as const),
  ),
);

/** The group of a merchant category code, or null. Airlines (3000–3350), car rental (3351–3500) and hotels (3501–3999) have ranges. */
export function merchantGroup(mcc: string): MerchantGroup | null {
  const named = GROUP_OF_MCC.get(mcc);
  if (named) return named;
  if (mcc >= '3000' && mcc <= '3350') return 'travel';
  if (mcc >= '3351' && mcc <= '3500') return 'car_rental';
  if (mcc >= '3501' && mcc <= '3999') return 'hotels';
  return null;
}

export interface CollateralTerms {
  readonly ltv_bps: number;
  readonly liquidation_threshold_bps: number;
  readonly liquidation_bonus_bps: number;
}

/** Limits on amounts in cents and on counts; a missing entry is no limit. */
export interface SpendLimits {
  readonly per_transaction_amount?: string;
  readonly day_amount?: string;
  readonly week_amount?: string;
  readonly month_amount?: string;
  readonly year_amount?: string;
  readonly all_time_amount?: string;
  readonly day_count?: number;
  readonly week_count?: number;
  readonly month_count?: number;
  readonly year_count?: number;
  readonly all_time_count?: number;
}

/** Caps on what all accounts of a program spend together. Amounts in cents; a missing entry is no cap. */
export interface ProgramLimits extends Omit<SpendLimits, 'per_transaction_amount'> {
  /** Kept free of each cap for what is approved while usage is being summed (at most a second), basis points. */
  readonly headroom_bps: number;
  /** IANA zone in which the program's days begin. */
  readonly time_zone: string;
}

/** What is answered in the fintech's place when it gives no answer. Amounts are cents. */
export interface StandInRules {
  /** The answer where no rule below decides. */
  readonly default: 'approve' | 'decline';
  /** Declined above this amount. */
  readonly decline_above?: string;
  readonly decline_merchant_groups?: readonly MerchantGroup[];
  /** Approved up to this amount; with `approve_merchant_groups` only there. */
  readonly approve_up_to?: string;
  readonly approve_merchant_groups?: readonly MerchantGroup[];
}

/** Whether and how the fintech is asked for its own decision. */
export interface PartnerDecisionPolicy {
  readonly enabled: boolean;
  /** How long its answer is waited for, milliseconds; never beyond what the network leaves. */
  readonly timeout_ms: number;
  readonly stand_in: StandInRules;
  /** After so many failures in a row the fintech is not asked for so long. */
  readonly breaker: { readonly failures: number; readonly open_seconds: number };
}

/** Amounts in cents. */
export interface FixedHold {
  readonly up_to: string;
  readonly hold: string;
}

/** A program's policy document. Stored as immutable versions, snake case as in the API; amounts are strings of cents. */
export interface ProgramPolicy {
  /** ISO 3166-1 alpha-3 residences that may be onboarded, on top of the countries nobody may serve. */
  readonly allowed_residence_countries: readonly string[];
  readonly blocked_merchant_countries: readonly string[];
  readonly blocked_merchant_groups: readonly MerchantGroup[];
  readonly stablecoins: readonly string[];
  readonly default_funding_mode: 'sell' | 'borrow' | 'automatic';
  readonly funding_at: 'clearing' | 'authorization';
  readonly partial_approvals: boolean;
  readonly decline_on_avs_mismatch: boolean;
  readonly decline_on_cvc_mismatch: boolean;
  /** Added to the requested amount when the hold is placed, by merchant group, basis points. */
  readonly hold_allowance_bps: Readonly<Partial<Record<MerchantGroup, number>>>;
  /**
   * Held instead for a request so small that it only asks whether the card is good, by merchant group: up to `up_to` cents
   * the network lets the merchant clear up to `hold` cents. A program without an entry holds what is asked.
   */
  readonly hold_fixed_amount?: Readonly<Partial<Record<MerchantGroup, FixedHold>>>;
  /** Cents below which no part of a plan is made if its neighbours can give way; missing: any size. */
  readonly min_leg_amount?: string;
  /** What selling a stablecoin costs, basis points: the default order of those that are not in the card's currency. */
  readonly stablecoin_cost_bps?: Readonly<Record<string, number>>;
  /** Added to token legs because their price moves until they are sold, basis points. */
  readonly conversion_buffer_bps: number;
  /** Days until a hold expires. */
  readonly hold_days: { readonly default: number } & Readonly<Partial<Record<MerchantGroup, number>>>;
  /** Charged on purchases whose merchant's currency is not the card's, basis points. None when left out. */
  readonly foreign_currency_fee_bps?: number;
  /** Charged on cash from a machine or a counter, and where `cashback` says so on cash at the till: cents and basis points. */
  readonly cash_withdrawal_fee?: {
    readonly fixed: string;
    readonly bps: number;
    readonly cashback?: boolean | undefined;
  };
  readonly limits: SpendLimits;
  /** For each account and card of the program, next to the limits and lists above. */
  readonly controls?: SpendControls;
  readonly program_limits?: ProgramLimits;
  readonly credit: {
    readonly enabled: boolean;
    readonly venue: 'aave_v3';
    readonly borrow_asset: string;
    readonly spread_bps: number;
    readonly collateral: Readonly<Record<string, CollateralTerms>>;
  };
  /** Left out: the fintech is not asked. */
  readonly partner_decision?: PartnerDecisionPolicy;
  /** Hours after which a loosening of an account's or a card's controls takes effect; left out: at once. */
  readonly controls_cooling_off_hours?: number;
}

/**
 * Defaults: loan-to-value figures as EtherFi publishes them; hold days as networks use them. A pump that asks for one dollar
 * may clear up to 175 on Visa, Mastercard and Discover (raised from 125 and 100 in 2022, as NACS reported on 22 June 2022).
 */
export const DEFAULT_PROGRAM_POLICY: ProgramPolicy = {
  allowed_residence_countries: [
    'USA',
    'GBR',
    'DEU',
    'FRA',
    'ESP',
    'ITA',
    'NLD',
    'PRT',
    'IRL',
    'AUT',
    'BEL',
    'CHE',
    'BRA',
    'SGP',
    'JPN',
  ],
  blocked_merchant_countries: ['CUB', 'IRN', 'PRK', 'SYR'],
  blocked_merchant_groups: ['quasi_cash', 'gambling'],
  stablecoins: ['USDC', 'EURC'],
  default_funding_mode: 'sell',
  funding_at: 'clearing',
  partial_approvals: false,
  decline_on_avs_mismatch: false,
  decline_on_cvc_mismatch: true,
  hold_allowance_bps: { restaurants: 2_000, hotels: 1_500, car_rental: 1_500 },
  hold_fixed_amount: { automated_fuel: { up_to: '100', hold: '17500' } },
  conversion_buffer_bps: 50,
  hold_days: { default: 7, automated_fuel: 1, fuel: 1, hotels: 30, car_rental: 30, travel: 30 },
  limits: { per_transaction_amount: '1000000', day_amount: '2000000' },
  credit: {
    enabled: true,
    venue: 'aave_v3',
    borrow_asset: 'USDC',
    spread_bps: 100,
    collateral: {
      WETH: { ltv_bps: 5_500, liquidation_threshold_bps: 7_500, liquidation_bonus_bps: 350 },
      weETH: { ltv_bps: 5_500, liquidation_threshold_bps: 7_500, liquidation_bonus_bps: 350 },
      WBTC: { ltv_bps: 5_200, liquidation_threshold_bps: 7_200, liquidation_bonus_bps: 500 },
    },
  },
};
