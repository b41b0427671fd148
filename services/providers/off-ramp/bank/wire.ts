import { z } from 'zod';

export const errorWire = z.looseObject({ code: z.string().optional(), message: z.string().optional() });

export const accountWire = z.looseObject({ id: z.string(), currency: z.literal('USD'), balance: z.string() });

export const entryWire = z.looseObject({
  id: z.string().min(1),
  reference: z.string(),
  direction: z.enum(['credit', 'debit']),
  amount: z.string(),
  currency: z.literal('USD'),
  booked_at: z.iso.datetime(),
});
export type EntryWire = z.infer<typeof entryWire>;

export const entryPageWire = z.looseObject({ data: z.array(entryWire), has_more: z.boolean() });
