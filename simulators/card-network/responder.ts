import { setTimeout as delay } from 'node:timers/promises';
import { Webhook } from 'standardwebhooks';
import type { Faults } from '../shared/faults';
import type { NetworkState } from './state';

/** How the network took the issuer's answer. */
export interface Decision {
  readonly result: string;
  readonly detailedResults: readonly string[];
  readonly approvedAmount: number;
  readonly balance: number | null;
  /** No answer was heard, so that the network's stand-in applies. */
  readonly unheard: boolean;
}

/** Published results of an answer, in the words that the transaction then shows: its result and its detailed result. */
const DECLINE_RESULTS: ReadonlyMap<string, readonly [string, string]> = new Map([
  ['AVS_INVALID', ['DECLINED', 'ADDRESS_INCORRECT']],
  ['CARD_PAUSED', ['CARD_PAUSED', 'CARD_PAUSED']],
  ['INSUFFICIENT_FUNDS', ['INSUFFICIENT_FUNDS', 'INSUFFICIENT_FUNDS']],
  ['UNAUTHORIZED_MERCHANT', ['UNAUTHORIZED_MERCHANT', 'UNAUTHORIZED_MERCHANT']],
  ['VELOCITY_EXCEEDED', ['USER_TRANSACTION_LIMIT', 'CARD_SPEND_LIMIT_EXCEEDED']],
  ['DRIVER_NUMBER_INVALID', ['DECLINED', 'DRIVER_NUMBER_INVALID']],
  ['VEHICLE_NUMBER_INVALID', ['DECLINED', 'VEHICLE_NUMBER_INVALID']],
  ['SUSPECTED_FRAUD', ['SUSPECTED_FRAUD', 'SUSPECTED_FRAUD']],
  ['CHALLENGE', ['DECLINED', 'CARDHOLDER_CHALLENGED']],
]);

const TIMEOUT: Decision = {
  result: 'UNKNOWN_HOST_TIMEOUT',
  detailedResults: ['CUSTOMER_ASA_TIMEOUT'],
  approvedAmount: 0,
  balance: null,
  unheard: true,
};
const MALFORMED: Decision = {
  ...TIMEOUT,
  result: 'DECLINED',
  detailedResults: ['MALFORMED_ASA_RESPONSE'],
  unheard: false,
};

/** Name under which faults address the request for a decision. */
const ASA_FAULT = 'asa';

type Attempt =
  | { readonly kind: 'answer'; readonly body: unknown }
  | { readonly kind: 'retry' }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'refused' };

interface DecisionRequest {
  readonly messageId: string;
  readonly body: string;
  readonly amount: number;
  readonly partialApprovalCapable: boolean;
}

/**
 * Asks the issuer over Auth Stream Access. Published behaviour: signed as Standard Webhooks; once more at once after a lost
 * connection or a 5xx; declined after six seconds, after a 4xx and after an answer that cannot be read.
 */
export async function askIssuer(state: NetworkState, faults: Faults, request: DecisionRequest): Promise<Decision> {
  const url = state.endpoints.asaUrl;
  if (url === null) return TIMEOUT;
  const fault = faults.find(ASA_FAULT);
  if (fault !== null && fault.slow_ms > 0) await delay(fault.slow_ms);
  if (fault !== null && fault.fail_times > 0) {
    fault.fail_times -= 1;
    return TIMEOUT;
  }
  let secrets: readonly string[] = state.secrets.asa;
  if (fault !== null && fault.bad_signature_times > 0) {
    fault.bad_signature_times -= 1;
    secrets = [FOREIGN_SECRET];
  }
  let lost = false;
  if (fault !== null && fault.lose_reply_times > 0) {
    fault.lose_reply_times -= 1;
    lost = true;
  }
  const deadline = Date.now() + state.settings.asaTimeoutMs;
  const copies = Array.from({ length: fault?.repeat ?? 0 }, () => attempt(url, secrets, request, deadline));
  let outcome = await attempt(url, secrets, request, deadline);
  if (outcome.kind === 'retry') outcome = await attempt(url, secrets, request, deadline);
  await Promise.all(copies);
  if (lost || outcome.kind === 'timeout' || outcome.kind === 'retry') return TIMEOUT;
  return outcome.kind === 'refused' ? MALFORMED : interpret(outcome.body, request);
}

/** A key that no issuer knows. */
export const FOREIGN_SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;

export function signedHeaders(secrets: readonly string[], id: string, body: string): Record<string, string> {
  const now = new Date();
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
    'webhook-signature': secrets.map((secret) => new Webhook(secret).sign(id, now, body)).join(' '),
  };
}

async function attempt(
  url: string,
  secrets: readonly string[],
  request: DecisionRequest,
  deadline: number,
): Promise<Attempt> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...signedHeaders(secrets, request.messageId, request.body) },
      body: request.body,
      signal: AbortSignal.timeout(Math.max(1, deadline - Date.now())),
    });
    const text = await response.text();
    if (response.status >= 500) return { kind: 'retry' };
    return response.status === 200 ? { kind: 'answer', body: JSON.parse(text) } : { kind: 'refused' };
  } catch (error) {
    if (error instanceof SyntaxError) return { kind: 'refused' };
    return { kind: error instanceof Error && error.name === 'TimeoutError' ? 'timeout' : 'retry' };
  }
}

function interpret(body: unknown, request: DecisionRequest): Decision {
  if (typeof body !== 'object' || body === null || !('result' in body) || typeof body.result !== 'string')
    return MALFORMED;
  if (body.result !== 'APPROVED') {
    const [result, detail] = DECLINE_RESULTS.get(body.result) ?? ['DECLINED', 'CUSTOM_ASA_RESULT'];
    return { result, detailedResults: [detail], approvedAmount: 0, balance: null, unheard: false };
  }
  const balance = 'balance' in body ? availableBalance(body.balance) : null;
  const approved = { result: 'APPROVED', detailedResults: ['APPROVED'], balance, unheard: false };
  if (!('approved_amount' in body) || body.approved_amount === undefined)
    return { ...approved, approvedAmount: request.amount };
  const amount = body.approved_amount;
  if (typeof amount !== 'number' || !Number.isSafeInteger(amount) || amount <= 0 || amount > request.amount)
    return MALFORMED;
  if (!request.partialApprovalCapable) {
    return { ...MALFORMED, detailedResults: ['TRANSACTION_NOT_PERMITTED_TO_ACQUIRER_OR_TERMINAL'] };
  }
  return { ...approved, approvedAmount: amount };
}

function availableBalance(balance: unknown): number | null {
  if (typeof balance !== 'object' || balance === null || !('available' in balance)) return null;
  return typeof balance.available === 'number' && Number.isSafeInteger(balance.available) ? balance.available : null;
}
