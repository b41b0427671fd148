import type { AssetCatalog } from '../../assets/load-asset-catalog';
import type { Money } from '../../shared/money';
import { type DecimalProblem, formatDecimal, parseDecimal } from '../../shared/money';
import { z } from './zod';

/** As answers carry it; negative only where a description says so. */
export const moneyView = z
  .strictObject({
    amount: z.string().openapi({ example: '12.34', pattern: '^-?\\d+(\\.\\d+)?$' }),
    asset: z.string().openapi({ example: 'USD' }),
  })
  .openapi('Money', { description: 'A decimal string with all digits of the asset, and the asset.' });

const DECIMAL_DETAIL: Readonly<Record<DecimalProblem, string>> = {
  not_a_decimal: 'must be a decimal string such as "12.34": digits, at most one point, no sign, no exponent',
  negative: 'must not be negative',
  surplus_decimals: 'has more decimals than the asset has',
  too_large: 'is larger than any amount accepted',
};

export interface MoneyRule {
  /** Codes that fit here; all assets when left out. */
  readonly assets?: readonly string[];
  readonly kinds?: readonly ('fiat' | 'stablecoin' | 'crypto')[];
  readonly zeroAllowed?: boolean;
  /** The largest amount taken, in base units. */
  readonly most?: bigint;
}

/**
 * Money as requests carry it, parsed to base units. Every problem points to its field: an unknown or unfit asset,
 * surplus decimals (never rounded), a sign, zero, or an amount beyond all bounds.
 */
export function moneyInput(catalog: AssetCatalog, rule: MoneyRule = {}) {
  const fitting = [...catalog.values()].filter(
    (asset) =>
      (rule.assets === undefined || rule.assets.includes(asset.code)) &&
      (rule.kinds === undefined || rule.kinds.includes(asset.kind)),
  );
  const codes = fitting.map((asset) => asset.code);
  return z
    .strictObject({
      amount: z.string().openapi({
        example: '12.34',
        pattern: '^\\d+(\\.\\d+)?$',
        description: 'At most as many decimals as the asset has.',
      }),
      asset: z.string().openapi({ enum: codes, example: codes[0] ?? 'USD' }),
    })
    .transform((value, context): Money => {
      const asset = fitting.find((candidate) => candidate.code === value.asset);
      if (asset === undefined) {
        const known = catalog.has(value.asset) ? 'does not fit here' : 'is unknown';
        context.addIssue({
          code: 'custom',
          path: ['asset'],
          message: `${JSON.stringify(value.asset.slice(0, 20))} ${known}: use one of ${codes.join(', ')}`,
          params: { problem: catalog.has(value.asset) ? 'wrong_asset' : 'unknown_asset' },
        });
        return z.NEVER;
      }
      const parsed = parseDecimal(value.amount, asset.decimals);
      if (!parsed.ok) {
        const digits = parsed.error === 'surplus_decimals' ? ` (${asset.code} has ${asset.decimals})` : '';
        context.addIssue({
          code: 'custom',
          path: ['amount'],
          message: `${DECIMAL_DETAIL[parsed.error]}${digits}`,
          params: { problem: parsed.error },
        });
        return z.NEVER;
      }
      if (rule.most !== undefined && parsed.value > rule.most) {
        context.addIssue({
          code: 'custom',
          path: ['amount'],
          message: `must be at most ${formatDecimal(rule.most, asset.decimals)}`,
          params: { problem: 'too_large' },
        });
        return z.NEVER;
      }
      if (parsed.value === 0n && rule.zeroAllowed !== true) {
        context.addIssue({
          code: 'custom',
          path: ['amount'],
          message: 'must be above zero',
          params: { problem: 'zero' },
        });
        return z.NEVER;
      }
      return { amount: parsed.value, asset: asset.code };
    });
}
