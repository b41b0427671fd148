import { z } from 'zod';

/** What the demo reads of the API's answers; the whole shapes stand in `/openapi.json`. */
export const money = z.looseObject({ amount: z.string(), asset: z.string() });

export const withId = z.looseObject({ id: z.string() });

export const withoutId = z.looseObject({});

export const done = z.looseObject({ done: z.literal(true) });

export const reference = z.looseObject({ processor_authorization_id: z.string() });

export const sentDeposit = z.looseObject({ transaction_hash: z.string() });

export const depositAddress = z.looseObject({ address: z.string() });

export const simulatedSettlement = z.looseObject({ net_amount: money, bank_reference: z.string() });

export const newOrganization = z.looseObject({
  organization: z.looseObject({ id: z.string(), name: z.string() }),
  api_key: z.looseObject({ secret: z.string() }),
});

export const cardholder = z.looseObject({
  id: z.string(),
  kyc: z.looseObject({ state: z.string(), submission: z.number(), message: z.string().nullable() }),
});

export const account = z.looseObject({
  id: z.string(),
  address: z.string().nullable(),
  safe_to_spend: money,
  balances: z.array(z.looseObject({ asset: z.string(), available: money, held: money, total: money })),
  collateral: z.array(z.looseObject({ asset: z.string(), amount: money, value: money })),
  credit: z.looseObject({
    debt: money,
    owed: money,
    unconfirmed: money,
    available: money,
    collateral_value: money,
    borrow_limit: money,
    ltv: z.string().nullable(),
    health: z.string().nullable(),
    buffer_used: z.string().nullable(),
  }),
});
export type AccountStanding = z.infer<typeof account>;

export const agreement = z.looseObject({
  terms_version: z.string(),
  venue_rate_bps: z.number(),
  spread_bps: z.number(),
  document: z.string(),
  document_sha256: z.string(),
  accepted: z.looseObject({ id: z.string() }).nullable(),
});

export const card = z.looseObject({
  id: z.string(),
  state: z.string(),
  last_four: z.string().nullable(),
});

export const deposit = z.looseObject({
  id: z.string(),
  state: z.string(),
  amount: money,
  transaction_hash: z.string(),
  sweep_transaction_hash: z.string().nullable(),
});

export const operation = z.looseObject({
  id: z.string(),
  state: z.string(),
  amount: money,
  transaction_hash: z.string().nullable(),
});

const leg = z.looseObject({ kind: z.string(), hold: money, covers: money });
export const quote = z.looseObject({
  approvable: z.boolean(),
  hold_amount: money,
  largest_amount: money,
  legs: z.array(leg),
});

export const purchaseAnswer = z.looseObject({
  outcome: z.string(),
  authorization_id: z.string().nullable(),
  vendor_result: z.string(),
});

export const authorization = z.looseObject({
  id: z.string(),
  state: z.string(),
  decline: z.looseObject({ reason: z.string(), text: z.string() }).nullable(),
  approved: money,
  hold: money,
  cleared: money,
  largest_amount: money,
  processor_authorization_id: z.string(),
  legs: z.array(
    z.looseObject({ kind: z.string(), held: money, held_covers: money, posted: money, posted_covers: money }),
  ),
});
export type Authorization = z.infer<typeof authorization>;

export const transactionLine = z.looseObject({
  id: z.string(),
  kind: z.string(),
  authorization_id: z.string().nullable(),
});

export const transaction = z.looseObject({
  id: z.string(),
  kind: z.string(),
  state: z.string(),
  amount: money,
  parts: z.array(
    z.looseObject({
      kind: z.string(),
      state: z.string(),
      amount: money,
      covers: money,
      sale: z
        .looseObject({
          state: z.string(),
          sold: money,
          gross: money.nullable(),
          fee: money.nullable(),
          failure: z.string().nullable(),
        })
        .nullable(),
      draw: z
        .looseObject({ draw_id: z.string(), state: z.string(), amount: money, transaction_hash: z.string().nullable() })
        .nullable(),
      repayments: z.array(z.looseObject({ id: z.string(), state: z.string(), amount: money })),
    }),
  ),
});
export type Transaction = z.infer<typeof transaction>;

export const settlement = z.looseObject({
  id: z.string(),
  state: z.string(),
  network_amount: money.nullable(),
  ledger_amount: money.nullable(),
  bank_reference: z.string().nullable(),
});

export const reconciliation = z.looseObject({
  ok: z.boolean(),
  block_number: z.string(),
  proofs: z.array(
    z.looseObject({
      name: z.string(),
      ok: z.boolean(),
      expected: z.string(),
      found: z.string(),
      detail: z.array(z.string()),
    }),
  ),
});

export function listOf<T extends z.ZodType>(item: T) {
  return z.looseObject({ data: z.array(item), has_more: z.boolean() });
}

/** `12.34 USD` */
export function said(value: z.infer<typeof money>): string {
  return `${value.amount} ${value.asset}`;
}
