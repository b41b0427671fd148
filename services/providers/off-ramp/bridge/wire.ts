import { z } from 'zod';

/** Error body of Bridge's API. */
export const errorWire = z.looseObject({ code: z.string().optional(), message: z.string().optional() });

export const receiptWire = z.looseObject({
  initial_amount: z.string(),
  developer_fee: z.string().default('0'),
  exchange_fee: z.string().default('0'),
  gas_fee: z.string().default('0'),
  final_amount: z.string(),
  source_tx_hash: z.string().nullish(),
  destination_tx_hash: z.string().nullish(),
});

/** A transfer, as far as we use it. Unknown states pass: the mapping reports them. */
export const transferWire = z.looseObject({
  id: z.string().min(1),
  client_reference_id: z.string().nullish(),
  state: z.string(),
  amount: z.string(),
  source: z.looseObject({ currency: z.string() }),
  destination: z.looseObject({ wire_message: z.string().nullish() }),
  source_deposit_instructions: z.looseObject({ to_address: z.string().nullish() }).nullish(),
  receipt: receiptWire.nullish(),
});
export type TransferWire = z.infer<typeof transferWire>;

export const transferListWire = z.looseObject({ data: z.array(transferWire) });

/** `GET /v0/exchange_rates`: decimals as strings (seen as numbers too, so both are read). */
export const exchangeRateWire = z.looseObject({
  sell_rate: z.union([z.string(), z.number().transform(String)]),
});

/** A webhook event: a hint, so only what names the transfer and the event is read. */
export const eventWire = z.looseObject({
  event_id: z.string().min(1),
  event_category: z.literal('transfer'),
  event_type: z.string().min(1),
  event_object_id: z.string().min(1),
});
