import { z } from 'zod';
import type { NetworkMerchant } from './transactions';

const cents = z.int().min(0).max(10_000_000_000);

const AUTHORIZATION_STATUSES = [
  'AUTHORIZATION',
  'BALANCE_INQUIRY',
  'CREDIT_AUTHORIZATION',
  'FINANCIAL_AUTHORIZATION',
  'FINANCIAL_CREDIT_AUTHORIZATION',
] as const;
export type AuthorizationStatus = (typeof AUTHORIZATION_STATUSES)[number];

/** The published body of `/v1/simulate/authorize`, `/return` and `/credit_authorization_advice`, as far as it is used. */
const publishedFields = {
  amount: cents,
  descriptor: z.string().min(1).max(100).default('COFFEE SHOP'),
  mcc: z
    .string()
    .regex(/^\d{4}$/)
    .default('5812'),
  merchant_acceptor_id: z.string().min(1).max(40).default('174030075991'),
  merchant_acceptor_city: z.string().max(60).default('NEW YORK'),
  merchant_acceptor_country: z
    .string()
    .regex(/^[A-Z]{3}$/)
    .default('USA'),
  merchant_acceptor_state: z.string().max(10).default('NY'),
  merchant_amount: cents.optional(),
  merchant_currency: z
    .string()
    .regex(/^[A-Z]{3}$/)
    .optional(),
  partial_approval_capable: z.boolean().default(false),
  pin: z.string().optional(),
  status: z.enum(AUTHORIZATION_STATUSES).default('AUTHORIZATION'),
};

export const publishedPurchase = z.strictObject({ ...publishedFields, pan: z.string().regex(/^\d{16}$/) });

const CHANNELS = ['ecommerce', 'contactless', 'chip', 'magstripe', 'manual', 'atm', 'recurring', 'unknown'] as const;
type Channel = (typeof CHANNELS)[number];

/** What our own `/sim` endpoints add: the card by token, the channel, cash, and checks of address and security code. */
export const simulatedPurchase = z.strictObject({
  ...publishedFields,
  card_token: z.string().min(1),
  channel: z.enum(CHANNELS).default('contactless'),
  cash_amount: cents.default(0),
  avs: z.enum(['MATCH', 'MATCH_ADDRESS_ONLY', 'MATCH_ZIP_ONLY', 'MISMATCH', 'NOT_PRESENT']).default('NOT_PRESENT'),
  cvc: z.enum(['match', 'mismatch', 'not_provided']).default('not_provided'),
  /** What was typed at a pump. */
  fleet_info: z
    .strictObject({ driver_number: z.string().max(20), vehicle_number: z.string().max(20) })
    .partial()
    .optional(),
  /** The issuer is asked although the card is paused or closed here: its state has not come through yet. */
  skip_card_state_check: z.boolean().default(false),
});
export type Purchase = z.infer<typeof simulatedPurchase>;

/** A published body with the defaults of everything it cannot say. */
export function fromPublished(
  { pan: _pan, ...fields }: z.infer<typeof publishedPurchase>,
  cardToken: string,
): Purchase {
  return simulatedPurchase.parse({ ...fields, card_token: cardToken, channel: 'ecommerce' });
}

export function merchantOf(purchase: Purchase): NetworkMerchant {
  return {
    acceptor_id: purchase.merchant_acceptor_id,
    acquiring_institution_id: '191231',
    city: purchase.merchant_acceptor_city,
    country: purchase.merchant_acceptor_country,
    descriptor: purchase.descriptor,
    mcc: purchase.mcc,
    state: purchase.merchant_acceptor_state,
    phone_number: null,
    postal_code: null,
    street_address: null,
  };
}

interface Entry {
  readonly pan: string;
  readonly cardholder: string;
  readonly card: 'PRESENT' | 'NOT_PRESENT' | 'UNKNOWN';
  readonly terminal: string;
}

const ENTRY: Readonly<Record<Channel, Entry>> = {
  ecommerce: { pan: 'ECOMMERCE', cardholder: 'ELECTRONIC_ORDER', card: 'NOT_PRESENT', terminal: 'ECOMMERCE' },
  contactless: { pan: 'CONTACTLESS', cardholder: 'PRESENT', card: 'PRESENT', terminal: 'POS_TERMINAL' },
  chip: { pan: 'ICC', cardholder: 'PRESENT', card: 'PRESENT', terminal: 'POS_TERMINAL' },
  magstripe: { pan: 'MAGNETIC_STRIPE', cardholder: 'PRESENT', card: 'PRESENT', terminal: 'POS_TERMINAL' },
  manual: { pan: 'KEY_ENTERED', cardholder: 'PRESENT', card: 'PRESENT', terminal: 'POS_TERMINAL' },
  atm: { pan: 'ICC', cardholder: 'PRESENT', card: 'PRESENT', terminal: 'ATM' },
  recurring: { pan: 'CREDENTIAL_ON_FILE', cardholder: 'REOCCURRING', card: 'NOT_PRESENT', terminal: 'ECOMMERCE' },
  unknown: { pan: 'UNKNOWN', cardholder: 'UNKNOWN', card: 'UNKNOWN', terminal: 'UNKNOWN' },
};

export function isCardPresent(purchase: Purchase): boolean {
  return ENTRY[purchase.channel].card === 'PRESENT';
}

export function posOf(purchase: Purchase): Record<string, unknown> {
  const entry = ENTRY[purchase.channel];
  const present = entry.card === 'PRESENT';
  return {
    entry_mode: {
      card: entry.card,
      cardholder: entry.cardholder,
      pan: entry.pan,
      pin_entered: purchase.pin !== undefined || purchase.channel === 'atm',
    },
    terminal: {
      attended: present && purchase.channel !== 'atm',
      card_retention_capable: purchase.channel === 'atm',
      on_premise: present,
      operator: present && purchase.channel !== 'atm' ? 'CARD_ACCEPTOR' : 'CARDHOLDER',
      partial_approval_capable: purchase.partial_approval_capable,
      pin_capability: present ? 'CAPABLE' : 'NOT_CAPABLE',
      type: entry.terminal,
      acceptor_terminal_id: null,
    },
  };
}

/** As published: null for a card of no fleet program; which prompt there is, is the program's. */
export function fleetInfoOf({ fleet_info: typed }: Purchase): Record<string, unknown> | null {
  if (typed === undefined) return null;
  return {
    fleet_prompt_code: typed.vehicle_number === undefined ? 'DRIVER_NUMBER' : 'VEHICLE_NUMBER',
    fleet_restriction_code: 'FUEL_ONLY',
    driver_number: typed.driver_number ?? null,
    vehicle_number: typed.vehicle_number ?? null,
  };
}

export function avsOf(purchase: Purchase): Record<string, unknown> {
  const given = purchase.avs !== 'NOT_PRESENT';
  return {
    address: given ? '123 MAIN ST' : '',
    zipcode: given ? '10001' : '',
    address_on_file_match: purchase.avs,
  };
}
