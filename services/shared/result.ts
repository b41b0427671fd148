/** An expected refusal is returned as a value; only surprises are thrown. */
export type Result<T, E> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: E };

export function ok<T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value };
}

export function err<E>(error: E): { readonly ok: false; readonly error: E } {
  return { ok: false, error };
}

/** What `next(state, event)` of an entity returns: the new state, that nothing changes, or why it may not happen. */
export type Transition<S> =
  | { readonly kind: 'changed'; readonly state: S }
  | { readonly kind: 'alreadyApplied'; readonly state: S }
  | { readonly kind: 'refused'; readonly reason: string };
