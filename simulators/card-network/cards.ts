import { randomInt, randomUUID } from 'node:crypto';
import type { IssuedCard, NetworkState } from './state';

const TEST_BIN = '411111';
const VALID_YEARS = 5;

interface CardInput {
  readonly type: IssuedCard['type'];
  readonly memo: string;
  readonly programToken: string;
  readonly accountToken: string;
  readonly state: 'OPEN' | 'PAUSED';
  readonly expMonth: string | null;
  readonly expYear: string | null;
}

/** Makes a card of the test range. A physical one starts on its way to the cardholder. */
export function issueCard(state: NetworkState, input: CardInput, now: Date): IssuedCard {
  const expiry = new Date(Date.UTC(now.getUTCFullYear() + VALID_YEARS, now.getUTCMonth(), 1));
  const card: IssuedCard = {
    token: randomUUID(),
    accountToken: input.accountToken,
    programToken: input.programToken,
    type: input.type,
    pan: unusedPan(state),
    expMonth: input.expMonth ?? String(expiry.getUTCMonth() + 1).padStart(2, '0'),
    expYear: input.expYear ?? String(expiry.getUTCFullYear()),
    created: now.toISOString(),
    memo: input.memo,
    state: input.type === 'PHYSICAL' ? 'PENDING_FULFILLMENT' : input.state,
  };
  state.cards[card.token] = card;
  return card;
}

function unusedPan(state: NetworkState): string {
  const used = new Set(Object.values(state.cards).map(({ pan }) => pan));
  for (;;) {
    const body = `${TEST_BIN}${String(randomInt(1_000_000_000)).padStart(9, '0')}`;
    const pan = `${body}${checkDigit(body)}`;
    if (!used.has(pan)) return pan;
  }
}

/** The digit that makes a card number pass its check (ISO/IEC 7812-1, annex B). */
function checkDigit(body: string): number {
  let sum = 0;
  for (let place = 0; place < body.length; place += 1) {
    const digit = Number(body[body.length - 1 - place]);
    const doubled = digit * 2;
    sum += place % 2 === 1 ? digit : doubled > 9 ? doubled - 9 : doubled;
  }
  return (10 - (sum % 10)) % 10;
}

export function isExpired(card: IssuedCard, now: Date): boolean {
  return now.getTime() >= Date.UTC(Number(card.expYear), Number(card.expMonth), 1);
}

/** The card in Lithic's shape. As in Lithic's sandbox, the number is in it; the adapter never reads it. */
export function cardResource(card: IssuedCard): Record<string, unknown> {
  return {
    token: card.token,
    account_token: card.accountToken,
    card_program_token: card.programToken,
    created: card.created,
    cardholder_currency: 'USD',
    exp_month: card.expMonth,
    exp_year: card.expYear,
    funding: null,
    last_four: card.pan.slice(-4),
    memo: card.memo,
    pan: card.pan,
    pin_status: 'NOT_SET',
    spend_limit: 0,
    spend_limit_duration: 'FOREVER',
    state: card.state,
    type: card.type,
  };
}
