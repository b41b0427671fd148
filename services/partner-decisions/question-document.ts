import { createHash } from 'node:crypto';
import type { AuthorizationRequest } from '../providers/processor/port';
import { formatId } from '../shared/ids';
import { moneyDocument } from '../shared/money-document';

/** What a question is made of. Ids are plain UUIDs, amounts cents of the card's currency. */
export interface QuestionContent {
  readonly programId: string;
  readonly accountId: string;
  readonly cardholderId: string;
  /** The fintech's own id of the cardholder. */
  readonly cardholderExternalId: string | null;
  readonly cardId: string;
  readonly authorizationId: string | null;
  readonly request: Omit<AuthorizationRequest, 'contentHash' | 'respondBy'>;
  readonly increment?: AskedIncrement;
  readonly approvableAmount: bigint;
  readonly largestAmount: bigint;
}

/** A known purchase that more is asked for. */
export interface AskedIncrement {
  /** Cents that it came to before. */
  readonly previousTotal: bigint;
  /** It had ended, and would be opened again. */
  readonly ended: boolean;
}

/** The same for every repetition of a message, so that the fintech may answer a repeated question as it did the first. */
export function questionId(organizationId: string, request: { readonly vendor: string; readonly messageId: string }) {
  const digest = createHash('sha256')
    .update(`${organizationId}\n${request.vendor}\n${request.messageId}`)
    .digest('hex');
  return `preq_${digest.slice(0, 32)}`;
}

/** What should make a fintech look twice. */
function flagsOf({ request, increment, approvableAmount }: QuestionContent): string[] {
  const flags: string[] = [];
  if (increment !== undefined) flags.push('increment');
  if (approvableAmount < request.amount) flags.push('partial_approval');
  if (request.merchantCurrency !== request.currency) flags.push('foreign_currency');
  if (request.kind === 'cash_withdrawal' || request.cashAmount > 0n) flags.push('cash');
  if (request.channel === 'ecommerce' || request.channel === 'recurring') flags.push('card_not_present');
  if (request.avs === 'mismatch') flags.push('avs_mismatch');
  if (request.cvc === 'mismatch') flags.push('cvc_mismatch');
  return flags;
}

/** The body of `authorization.requested`: the purchase as the API will show it, and what Escudo itself would answer. */
export function questionDocument(
  content: QuestionContent,
  envelope: { readonly id: string; readonly createdAt: Date; readonly respondBy: Date; readonly test: boolean },
) {
  const { request, increment } = content;
  const cents = (amount: bigint) => moneyDocument(amount, request.currency, 2);
  return {
    type: 'authorization.requested',
    id: envelope.id,
    created_at: envelope.createdAt.toISOString(),
    respond_by: envelope.respondBy.toISOString(),
    test: envelope.test,
    authorization: {
      id: content.authorizationId === null ? null : formatId('authorization', content.authorizationId),
      program_id: formatId('program', content.programId),
      account_id: formatId('account', content.accountId),
      cardholder_id: formatId('cardholder', content.cardholderId),
      cardholder_external_id: content.cardholderExternalId,
      card_id: formatId('card', content.cardId),
      processor_authorization_id: request.processorAuthorizationId,
      kind: request.kind,
      requested: cents(request.amount),
      increment:
        increment === undefined
          ? null
          : {
              previous_total: cents(increment.previousTotal),
              new_total: cents(increment.previousTotal + request.amount),
              ended: increment.ended,
            },
      cash: cents(request.cashAmount),
      merchant: request.merchant,
      merchant_amount: { minor_units: request.merchantAmount.toString(), currency: request.merchantCurrency },
      channel: request.channel,
      avs: request.avs,
      cvc: request.cvc,
      fleet: request.fleet && {
        driver_id: request.fleet.driverId,
        vehicle_id: request.fleet.vehicleId,
        odometer: request.fleet.odometer?.toString() ?? null,
        fuel_volume_ml: request.fleet.fuelVolumeMl?.toString() ?? null,
        fuel_type: request.fleet.fuelType,
      },
      occurred_at: request.occurredAt.toISOString(),
    },
    escudo: {
      approvable: cents(content.approvableAmount),
      largest_amount: cents(content.largestAmount),
      flags: flagsOf(content),
    },
  };
}
