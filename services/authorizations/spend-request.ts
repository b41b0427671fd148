import type { PartnerVerdict } from '../partner-decisions/rules/partner-verdict';
import type { AuthorizationRequest, AuthorizationRequestKind } from '../providers/processor/port';
import type { SpendRequest } from './rules/decide-authorization';

/** What a first message asks for. An increment or advice of a purchase that nobody knows is decided like a purchase. */
const SPEND_KIND: Readonly<Record<AuthorizationRequestKind, SpendRequest['kind']>> = {
  authorization: 'authorization',
  incremental_authorization: 'authorization',
  advice: 'authorization',
  cash_withdrawal: 'cash_withdrawal',
  balance_inquiry: 'balance_inquiry',
  zero_amount_verification: 'zero_amount_verification',
  refund_authorization: 'refund_authorization',
};

/** A vendor's request as a decision reads it. */
export function toSpendRequest(
  request: AuthorizationRequest,
  endedBefore: boolean,
  partner: PartnerVerdict | null,
): SpendRequest {
  return {
    kind: SPEND_KIND[request.kind],
    amount: request.amount,
    currency: request.currency,
    mcc: request.merchant.mcc,
    merchantId: request.merchant.id,
    merchantCountry: request.merchant.country,
    merchantCurrency: request.merchantCurrency,
    channel: request.channel,
    partialApprovalAllowed: request.partialApprovalAllowed,
    cashAmount: request.cashAmount,
    fleet: request.fleet,
    avs: request.avs,
    cvc: request.cvc,
    endedBefore,
    partner,
  };
}
