/** What an API key may do: `read` sees everything of its organization, the others change one area. */
export const API_KEY_SCOPES = [
  'read',
  'api_keys:write',
  'programs:write',
  'cardholders:write',
  'accounts:write',
  'cards:write',
  'controls:write',
  'credit:write',
  'settlements:write',
  'reconciliation:write',
  'operations:write',
  'simulate',
] as const;

export type ApiKeyScope = (typeof API_KEY_SCOPES)[number];

/** Whether `held` allows `needed`. */
export function allowsScope(held: readonly string[], needed: ApiKeyScope): boolean {
  return held.includes(needed);
}
