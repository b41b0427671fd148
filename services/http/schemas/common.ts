import { formatId, ID_PREFIX, type IdKind, parseId } from '../../shared/ids';
import { z } from './zod';

function idPattern(kind: IdKind): string {
  return `^${ID_PREFIX[kind]}_[0-9a-f]{32}$`;
}

function idExample(kind: IdKind): string {
  return `${ID_PREFIX[kind]}_0198f3c2a1b07c3d9e4f5a6b7c8d9e0f`;
}

/** A prefixed id in a request, parsed to the plain UUID inside. */
export function idInput(kind: IdKind) {
  return z
    .string()
    .transform((text, context): string => {
      const parsed = parseId(kind, text);
      if (parsed.ok) return parsed.value;
      context.addIssue({
        code: 'custom',
        message: `must be an id of this kind: ${ID_PREFIX[kind]}_ and 32 hex digits`,
        params: { problem: 'malformed_id' },
      });
      return z.NEVER;
    })
    .openapi({ type: 'string', pattern: idPattern(kind), example: idExample(kind) });
}

/** A prefixed id in an answer. */
export function idView(kind: IdKind) {
  return z.string().openapi({ pattern: idPattern(kind), example: idExample(kind) });
}

/** `formatId` for a value that may be missing. */
export function optionalId(kind: IdKind, uuid: string | null): string | null {
  return uuid === null ? null : formatId(kind, uuid);
}

export const timestampView = z.string().openapi({ format: 'date-time', example: '2026-11-01T12:00:00.000Z' });

export const countryInput = z
  .string()
  .regex(/^[A-Z]{3}$/, 'must be an ISO 3166-1 alpha-3 code such as "USA"')
  .openapi({ pattern: '^[A-Z]{3}$', example: 'DEU' });

export const dateInput = z
  .string()
  .refine(isCalendarDate, 'must be a date that exists, as YYYY-MM-DD')
  .openapi({ format: 'date', example: '2026-11-01' });

function isCalendarDate(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}

export const timeZoneInput = z
  .string()
  .refine(isTimeZone, 'must be an IANA time zone such as "Europe/Berlin"')
  .openapi({ example: 'Europe/Berlin' });

function isTimeZone(text: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone.length > 0;
  } catch {
    return false;
  }
}

/** Text that people typed: trimmed, without control characters. */
export function textInput(maximum: number) {
  return z
    .string()
    .trim()
    .min(1, 'must not be empty')
    .max(maximum, `must have at most ${maximum} characters`)
    .refine((text) => !/\p{Cc}/u.test(text), 'must not contain control characters')
    .openapi({ type: 'string', minLength: 1, maxLength: maximum });
}

/** A whole number out of a query string. */
export function integerParameter(minimum: number, maximum: number) {
  return z
    .string()
    .refine(
      (text) => /^\d{1,9}$/.test(text) && Number(text) >= minimum && Number(text) <= maximum,
      `must be a whole number from ${minimum} to ${maximum}`,
    )
    .transform(Number)
    .openapi({ type: 'integer', minimum, maximum });
}
