import { parseId } from '../../shared/ids';
import { err, ok, type Result } from '../../shared/result';

/** What is replayed: one authorization, or all decided in [from, to), of one organization or of all. */
export type ReplaySelection =
  | { readonly kind: 'one'; readonly authorizationId: string }
  | { readonly kind: 'range'; readonly from: Date; readonly to: Date; readonly organizationId: string | null };

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const DAY = /^\d{4}-\d{2}-\d{2}$/;
const DAY_MS = 86_400_000;

/**
 * Reads `auth_…` (or a plain UUID), or `from..to` of ISO 8601 days or instants, UTC. A day as the end means through that day;
 * an end left out is now, a beginning left out the first decision there is.
 */
export function parseReplaySelection(
  text: string,
  organization: string | null,
  now: Date,
): Result<ReplaySelection, string> {
  const organizationId = organization === null ? null : uuidOf('organization', organization);
  if (organizationId === undefined) return err(`${organization} is not the id of an organization`);
  const [fromText, toText, ...more] = text.split('..');
  if (fromText === undefined || toText === undefined || more.length > 0) {
    const authorizationId = uuidOf('authorization', text);
    return authorizationId === undefined
      ? err(`${text} is neither the id of an authorization nor a range from..to`)
      : ok({ kind: 'one', authorizationId });
  }
  const from = fromText === '' ? new Date(0) : instant(fromText, false);
  const to = toText === '' ? now : instant(toText, true);
  if (from === null) return err(`${fromText} is not a day or an instant of ISO 8601`);
  if (to === null) return err(`${toText} is not a day or an instant of ISO 8601`);
  if (from >= to) return err(`the range ${text} is empty`);
  return ok({ kind: 'range', from, to, organizationId });
}

function uuidOf(kind: 'organization' | 'authorization', text: string): string | undefined {
  if (UUID.test(text)) return text;
  const parsed = parseId(kind, text);
  return parsed.ok ? parsed.value : undefined;
}

function instant(text: string, isEnd: boolean): Date | null {
  const day = DAY.test(text);
  const at = new Date(day ? `${text}T00:00:00Z` : text);
  if (Number.isNaN(at.getTime()) || !/^\d{4}-/.test(text)) return null;
  return day && isEnd ? new Date(at.getTime() + DAY_MS) : at;
}
