import { OPTION_REJECTION_TEXT } from '../../funding/rules/plan-funding';
import { formatDecimal } from '../../shared/money';
import type { DeclineReason } from './decline-reason';
import { DECLINE_REASON_TEXT } from './decline-reason';
import type { Explanation } from './explain';

type Words = (explanation: Explanation) => string;

const ASK_SUPPORT = 'Please contact support if this goes on.';

/** What a cardholder is told of a decline: what happened and what helps. No word that only we use, nothing about others. */
const DECLINED_WORDS: Readonly<Record<DeclineReason, Words>> = {
  malformed: () => `The shop’s request could not be read. Please try again. ${ASK_SUPPORT}`,
  duplicate_conflict: () => `The shop’s request came twice with different contents. Please try again. ${ASK_SUPPORT}`,
  unknown_card: () => 'This card number is not known. Please check it and try again.',
  program_disabled: () => 'All cards of this kind are switched off at the moment. Please try again later.',
  product_disabled: () => 'All cards of this kind are switched off at the moment. Please try again later.',
  unsupported_currency: ({ currency }) => `Your card can only be charged in ${currency}.`,
  unsupported_transaction: () => 'This kind of payment is not possible with your card.',
  kyc_not_valid: () =>
    'Your identity has to be confirmed again before you can pay. Please follow the steps in the app.',
  card_not_active: () => 'Your card is not active yet. Please activate it first.',
  card_paused: () => 'Your card is paused. You can switch it on again and try once more.',
  card_closed: () => 'This card has been closed. Please use another one.',
  card_expired: () => 'This card has expired. Please use your new one.',
  account_suspended: () => 'Your account is on hold. Please contact support.',
  account_closed: () => 'Your account has been closed.',
  account_overdue: () => 'There is an unpaid amount on your account. Once it is paid, your card works again.',
  avs_mismatch: () => 'The address given to the shop is not the one we know. Please check it and try again.',
  cvc_mismatch: () => 'The security code is not right. Please check the three digits on your card and try again.',
  outside_validity: ({ refusedBy }) =>
    refusedBy?.control.endsWith('valid_from')
      ? 'Your card cannot be used yet. It becomes valid later.'
      : 'Your card is no longer valid.',
  foreign_currency_blocked: () => 'Your card is set not to pay in foreign currencies.',
  country_blocked: () => 'Your card does not work in this country.',
  mcc_blocked: () => 'Your card does not work at this kind of shop.',
  merchant_blocked: () => 'Your card does not work at this shop.',
  channel_blocked: () => 'Your card is not set up for this way of paying. You may try another one.',
  hours_blocked: () => 'Your card may not be used at this time of day.',
  single_use_spent: () => 'This card was for a single purchase, and that has been made.',
  fleet_data_required: () =>
    'The pump asks for details such as the mileage, driver or vehicle number. Please enter them and check that they are right.',
  driver_id_invalid: () => 'The driver number is not right. Please check it and try again.',
  vehicle_id_invalid: () => 'The vehicle number is not right. Please check it and try again.',
  fleet_limit_exceeded: () => 'This fill is more than your fuel card allows.',
  amount_limit_exceeded: (explanation) => limitWords(explanation),
  count_limit_exceeded: () => 'You have made as many purchases as your card allows for now.',
  velocity_exceeded: () => 'There were many purchases within a short time. Please wait a little and try again.',
  program_limit_exceeded: () => 'Payments are not possible at the moment. Please try again later.',
  partner_declined: () => 'Your card provider did not agree to this purchase. Please ask them.',
  price_unavailable: () =>
    'Payments are not possible for a moment, because prices cannot be read. Please try again soon.',
  credit_unavailable: () => 'You cannot pay by loan yet. You can set this up, or pay from your balance instead.',
  insufficient_funds: (explanation) => shortfallWords(explanation),
  purchase_ended: () => 'That purchase was over, so nothing can be added to it. The shop has to ask for a new one.',
  late: ({ amends }) => lateWords(amends),
  internal_error: () => `Something went wrong on our side. You have not been charged. ${ASK_SUPPORT}`,
};

function lateWords(amends: Explanation['amends']): string {
  if (amends?.late === 'overtaken') {
    return amends.aboutAmount
      ? 'The shop has said since what the purchase comes to, and this is a part of that.'
      : 'The shop has said since what the purchase comes to, so this was not answered any more.';
  }
  if (amends !== null) return 'The answer took too long, so nothing was changed. Please try again.';
  return 'The answer took too long, so the payment was not made. You have not been charged. Please try again.';
}

function limitWords({ requested, largest, currency, refusedBy }: Explanation): string {
  const whose = refusedBy?.level === 'card' ? 'this card' : 'your account';
  const left = largest > 0n ? ` You could still pay up to ${money(largest, currency)} here.` : '';
  return `The purchase of ${money(requested, currency)} is above a spending limit of ${whose}.${left}`;
}

function shortfallWords({ requested, largest, currency, hold }: Explanation): string {
  const first = `There is not enough money for this purchase of ${money(requested, currency)}.`;
  const second = largest > 0n ? ` You could pay up to ${money(largest, currency)} here.` : '';
  const third =
    hold !== null && hold.allowance > 0n
      ? ` At shops like this one the final bill can be higher, so ${money(hold.total, currency)} would have to be set aside.`
      : '';
  return `${first}${second}${third}`;
}

/** For the cardholder: plain words, without figures or names of anybody else. */
export function wordsForCardholder(explanation: Explanation): string {
  return `${aboutWords(explanation)}${decisionWords(explanation)}`;
}

/** What is about a known purchase is told apart from a purchase of its own. */
function aboutWords({ amends, requested, currency }: Explanation): string {
  if (amends === null) return '';
  const before = money(amends.approvedBefore, currency);
  if (!amends.aboutAmount) return `This was asked along with a purchase of ${before}. `;
  if (amends.total !== null)
    return `The shop said that a purchase of ${before} comes to ${money(amends.total.told, currency)}. `;
  if (amends.ended) return `This is about ${money(requested, currency)} more for a purchase that had ended. `;
  return `This is about ${money(requested, currency)} on top of a purchase of ${before}. `;
}

function decisionWords(explanation: Explanation): string {
  const { result, reason, requested, approved, currency, balance } = explanation;
  if (reason !== null) return DECLINED_WORDS[reason](explanation);
  if (explanation.amends?.total) return totalWords(explanation.amends.total.givenBack, currency);
  if (balance !== null) return `You asked how much you can spend: ${money(balance, currency)}.`;
  if (approved === 0n) return 'A shop checked that your card works. Nothing was charged.';
  const first =
    result === 'partially_approved'
      ? `${money(approved, currency)} of ${money(requested, currency)} was approved, because there was not enough for all of it.`
      : `${money(approved, currency)} was approved.`;
  return `${first}${setAsideWords(explanation)}${sourceWords(explanation)}`;
}

function totalWords(givenBack: bigint, currency: string): string {
  if (givenBack === 0n) return 'Nothing changes by that.';
  return `What was set aside for ${money(givenBack, currency)} of it is yours to spend again.`;
}

function setAsideWords({ hold, currency }: Explanation): string {
  if (hold === null || !hold.placed) return ' Money comes back to you once the shop sends it.';
  const fee = hold.fee > 0n ? ` This includes a fee of up to ${money(hold.fee, currency)}.` : '';
  if (hold.allowance === 0n)
    return `${hold.fee > 0n ? ` ${money(hold.total, currency)} is set aside.` : ''}${fee} You are charged when the shop sends the final bill.`;
  return ` ${money(hold.total, currency)} is set aside, because the final bill can be higher here.${fee} You only pay the final bill.`;
}

function sourceWords({ legs }: Explanation): string {
  if (legs.length === 0) return '';
  const sources = legs.map((leg) =>
    leg.kind === 'loan_draw' ? 'a loan against your collateral' : `your ${leg.asset}`,
  );
  const last = sources.pop() ?? '';
  return ` It is paid from ${sources.length === 0 ? last : `${sources.join(', ')} and ${last}`}.`;
}

/** For support: the same decision in our own words, with every figure that decided. Nothing personal in it. */
export function wordsForSupport(explanation: Explanation): string {
  const { result, reason, requested, approved, currency, largest, checks, hold, options, partner } = explanation;
  const parts: string[] = explanation.amends === null ? [] : [aboutWords(explanation).trim()];
  const failed = checks.find((check) => check.result === 'failed');
  if (explanation.amends?.total) {
    parts.push(`Approved, as it asks for nothing: ${money(explanation.amends.total.givenBack, currency)} given back.`);
  } else if (reason === null) {
    parts.push(
      `${sentence(result.replaceAll('_', ' '))}: ${money(approved, currency)} of ${money(requested, currency)} asked for.`,
    );
  } else {
    parts.push(`Declined ${money(requested, currency)}: ${reason}. ${DECLINE_REASON_TEXT[reason]}`);
    if (failed) parts.push(`Check "${failed.check.replaceAll('_', ' ')}": ${failed.detail}.`);
    if (!explanation.amends?.late && explanation.amends?.over !== true) {
      parts.push(`The largest amount for this merchant and way of paying was ${money(largest, currency)}.`);
    }
  }
  if (hold !== null) {
    const would = hold.placed ? 'Held' : 'The hold would have been';
    parts.push(
      `${would} ${money(hold.total, currency)} = ${cents(hold.amount)} + ${cents(hold.allowance)} allowance + ${cents(hold.fee)} fee, tokens with ${hold.conversionBufferBps} bps on top.`,
    );
  }
  const used = reason === null ? 'used' : 'would have been used';
  for (const option of options) {
    const name = option.kind === 'loan_draw' ? `Loan in ${option.asset}` : option.asset;
    const why = option.rejection === null ? '' : ` ${OPTION_REJECTION_TEXT[option.rejection]}`;
    parts.push(`${name}: ${cents(option.usedUsd)} of ${cents(option.capacityUsd)} ${used}.${why}`);
  }
  const asked = partner && checks.find((check) => check.check === 'partner');
  if (asked && asked.detail !== '' && failed?.check !== 'partner') parts.push(`Partner: ${asked.detail}.`);
  return sentence(parts.join(' '));
}

function sentence(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

function money(amount: bigint, currency: string): string {
  return `${cents(amount)} ${currency}`;
}

function cents(amount: bigint): string {
  return formatDecimal(amount, 2);
}
