import { randomUUID } from 'node:crypto';

/** The least that Lithic asks with for a purchase in USD, new each time. `cents` may be what no amount is, to see it refused. */
export function lithicRequest(cardToken: string, cents: unknown, overrides: Readonly<Record<string, unknown>> = {}) {
  const money = { amount: cents, currency: 'USD' };
  return {
    token: randomUUID(),
    event_token: randomUUID(),
    status: 'AUTHORIZATION',
    created: new Date().toISOString(),
    authorization_amount: cents,
    cardholder_currency: 'USD',
    merchant_amount: cents,
    merchant_currency: 'USD',
    amounts: { cardholder: money, merchant: money },
    cash_amount: 0,
    card: { token: cardToken },
    merchant: { acceptor_id: 'M1', descriptor: 'SHOP', city: 'BERLIN', country: 'DEU', mcc: '5411' },
    ...overrides,
  };
}
