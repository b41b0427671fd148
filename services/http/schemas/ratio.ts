import { ratioText } from '../../shared/ratio';
import { z } from './zod';

export const ratioView = z
  .string()
  .nullable()
  .openapi({ example: '0.4321', description: 'Four decimals; null when there is nothing to divide by.' });

/** Basis points as a ratio with four decimals. */
export function ratio(bps: bigint | null): string | null {
  return bps === null ? null : ratioText(bps, 10_000n);
}
