import { z } from './zod';

export const merchantView = z
  .strictObject({
    id: z.string(),
    name: z.string(),
    city: z.string(),
    country: z.string(),
    mcc: z.string(),
  })
  .openapi('Merchant');
