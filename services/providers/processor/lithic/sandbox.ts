import { z } from 'zod';
import type {
  AddressVerification,
  Channel,
  ProcessorSandbox,
  SandboxAnswer,
  SandboxPurchase,
  SandboxReference,
} from '../port';
import type { LithicCall, LithicClient } from './client';
import { toWireAmount, VENDOR } from './mapping';
import { mapOutcome } from './processor';
import { simulatedAnswerShape, simulatedSettlementShape, simulatedTransactionShape } from './wire';

/** The network asks us while we wait for its answer: longer than Lithic's own limit of 6 s, with one repetition. */
const DECISION_TIMEOUT_MS = 20_000;

const anything = z.unknown();

const AVS_WORD: Readonly<Record<AddressVerification, string>> = {
  match: 'MATCH',
  postal_code_match: 'MATCH_ZIP_ONLY',
  address_match: 'MATCH_ADDRESS_ONLY',
  mismatch: 'MISMATCH',
  not_provided: 'NOT_PRESENT',
};

/**
 * Plays merchant and network. Lithic's published simulate endpoints are used where they can say what is meant; the rest
 * (no card number at hand, increments, force posts, linked returns, settlement) goes to the `/sim` extensions of our simulator.
 */
export function createLithicSandbox(client: LithicClient): ProcessorSandbox {
  const decide = async (path: string, body: Readonly<Record<string, unknown>>) =>
    mapOutcome(
      await client.call({ method: 'POST', path, body, shape: simulatedAnswerShape, timeoutMs: DECISION_TIMEOUT_MS }),
      (answer): SandboxAnswer => ({
        processorAuthorizationId: answer.token,
        outcome: answer.result === 'APPROVED' ? 'approved' : 'declined',
        approvedAmount: BigInt(answer.approved_amount),
        vendorResult: answer.result,
        balance: answer.balance === null || answer.balance === undefined ? null : BigInt(answer.balance),
      }),
    );
  const post = <T>(path: string, body: Readonly<Record<string, unknown>>, shape: LithicCall<T>['shape']) =>
    client.call({ method: 'POST', path, body, shape });
  /** For the endpoints that act on a transaction and answer without naming it. */
  const act = async (path: string, reference: SandboxReference, change: Readonly<Record<string, unknown>> = {}) =>
    mapOutcome(await post(path, { token: reference.processorAuthorizationId, ...change }, anything), () =>
      toReference(reference),
    );
  /** For the endpoints that open a transaction. */
  const open = async (path: string, body: Readonly<Record<string, unknown>>) =>
    mapOutcome(await post(path, body, simulatedTransactionShape), ({ token }) => ({ processorAuthorizationId: token }));

  return {
    vendor: VENDOR,
    authorize: (purchase) => decide('/sim/authorize', toWirePurchase(purchase)),
    increment: ({ processorAuthorizationId, amount }) =>
      decide('/sim/increment', { token: processorAuthorizationId, amount: toWireAmount(amount) }),
    balanceInquiry: ({ cardToken }) =>
      decide('/sim/authorize', { card_token: cardToken, amount: 0, status: 'BALANCE_INQUIRY', channel: 'atm' }),
    refundAuthorization: (purchase) =>
      decide('/sim/authorize', { ...toWirePurchase(purchase), status: 'CREDIT_AUTHORIZATION' }),
    adviseUnasked: (purchase) => open('/sim/advice', toWirePurchase(purchase)),
    clear: ({ amount, final, ...reference }) =>
      final === undefined
        ? act('/v1/simulate/clearing', reference, withAmount(amount))
        : act('/sim/clearing', reference, { ...withAmount(amount), final }),
    forcePost: (purchase) => open('/sim/force_post', toWirePurchase(purchase)),
    reverse: ({ amount, ...reference }) =>
      act('/v1/simulate/void', reference, { type: 'AUTHORIZATION_REVERSAL', ...withAmount(amount) }),
    expire: (reference) => act('/v1/simulate/void', reference, { type: 'AUTHORIZATION_EXPIRY' }),
    refund: ({ cardToken, amount, originalProcessorAuthorizationId, merchant }) =>
      open('/sim/return', {
        ...toWirePurchase({ cardToken, amount, ...(merchant === undefined ? {} : { merchant }) }),
        ...(originalProcessorAuthorizationId === undefined
          ? {}
          : { original_transaction_token: originalProcessorAuthorizationId }),
      }),
    refundReversal: (reference) => act('/v1/simulate/return_reversal', reference),
    advice: ({ amount, ...reference }) =>
      act('/v1/simulate/authorization_advice', reference, { amount: toWireAmount(amount) }),
    settle: async ({ date }) =>
      mapOutcome(await post('/sim/settle', { date }, simulatedSettlementShape), (settled) => ({
        date: settled.date,
        netAmount: BigInt(settled.net_amount),
        bankReference: settled.bank_reference,
      })),
  };
}

function toReference({ processorAuthorizationId }: SandboxReference): SandboxReference {
  return { processorAuthorizationId };
}

function withAmount(amount: bigint | undefined): { readonly amount?: number } {
  return amount === undefined ? {} : { amount: toWireAmount(amount) };
}

function toWirePurchase(purchase: SandboxPurchase): Record<string, unknown> {
  const { merchant } = purchase;
  const channel: Channel | undefined = purchase.channel;
  const fields: Record<string, unknown> = {
    card_token: purchase.cardToken,
    amount: toWireAmount(purchase.amount),
    status: purchase.singleMessage ? 'FINANCIAL_AUTHORIZATION' : 'AUTHORIZATION',
    descriptor: merchant?.name,
    mcc: merchant?.mcc,
    merchant_acceptor_id: merchant?.id,
    merchant_acceptor_city: merchant?.city,
    merchant_acceptor_country: merchant?.country,
    merchant_amount: purchase.merchantAmount === undefined ? undefined : toWireAmount(purchase.merchantAmount),
    merchant_currency: purchase.merchantCurrency,
    partial_approval_capable: purchase.partialApprovalAllowed,
    cash_amount: purchase.cashAmount === undefined ? undefined : toWireAmount(purchase.cashAmount),
    channel,
    avs: purchase.avs === undefined ? undefined : AVS_WORD[purchase.avs],
    cvc: purchase.cvc,
    fleet_info:
      purchase.fleet === undefined
        ? undefined
        : { driver_number: purchase.fleet.driverId, vehicle_number: purchase.fleet.vehicleId },
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
