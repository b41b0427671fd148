/** Why a use case refused what it was asked. `http/error-map.ts` maps every code to a problem document; a new one breaks the build there. */
export type RefusalCode =
  | 'not_found'
  | 'invalid_parameter'
  | 'state_conflict'
  | 'already_exists'
  | 'insufficient_funds'
  | 'kyc_not_approved'
  | 'country_not_allowed'
  | 'program_disabled'
  | 'product_disabled'
  | 'account_not_active'
  | 'credit_not_enabled'
  | 'credit_agreement_required'
  | 'price_unavailable'
  | 'would_break_health'
  | 'amount_out_of_range'
  | 'vendor_unavailable'
  | 'not_supported';

/** An expected refusal. `detail` names what is wrong and how to mend it; `pointer` is a JSON pointer into the request body. */
export interface Refusal {
  readonly code: RefusalCode;
  readonly detail: string;
  readonly pointer?: string;
}

export function refusal(code: RefusalCode, detail: string, pointer?: string): Refusal {
  return pointer === undefined ? { code, detail } : { code, detail, pointer };
}
