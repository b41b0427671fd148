import express, { type Request, type Response, Router } from 'express';
import { z } from 'zod';
import type { Faults } from '../shared/faults';
import type { StateFile } from '../shared/state-file';
import { type BankEntry, book, page, totals } from './bank';
import { toBaseUnits, toDecimal } from './decimals';
import type { VendorState } from './state';

const pageQuery = z.object({
  after: z.string().min(1).optional(),
  limit: z.coerce.number().int().min(1).max(100).default(50),
});
const orderBody = z
  .object({
    account_id: z.string().min(1),
    reference: z.string().min(1).max(140),
    amount: z.string(),
    direction: z.enum(['credit', 'debit']).optional(),
    description: z.string().max(140).default(''),
  })
  .strict();

function entryResource(entry: BankEntry): Record<string, unknown> {
  return {
    id: entry.id,
    account_id: entry.accountId,
    reference: entry.reference,
    direction: entry.direction,
    amount: toDecimal(BigInt(entry.cents), 2),
    currency: 'USD',
    description: entry.description,
    booked_at: entry.bookedAt,
  };
}

/**
 * The settlement bank: statements under a bearer key, and `/sim` entries that stand for the rest of the world (the
 * organization's own capital, the card network's settlement).
 */
export function bankRoutes(input: {
  readonly file: StateFile<VendorState>;
  readonly apiKey: string;
  readonly faults: Faults;
}): Router {
  const { file, faults } = input;
  const router = Router();

  router.use('/accounts', (request, response, next) => {
    if (request.header('authorization') === `Bearer ${input.apiKey}`) return next();
    response.status(401).json({ code: 'unauthorized', message: 'the bearer key is missing or wrong' });
  });

  router.get('/accounts/:id', faults.onRoute('GET /bank/accounts/:id'), (request, response) => {
    const sums = accountOf(request.params.id, response);
    if (sums !== null) response.json({ id: sums.accountId, currency: 'USD', balance: toDecimal(sums.balance, 2) });
  });

  router.get(
    '/accounts/:id/transactions',
    faults.onRoute('GET /bank/accounts/:id/transactions'),
    (request, response) => {
      if (accountOf(request.params.id, response) === null) return;
      const query = pageQuery.safeParse(request.query);
      const found = query.success
        ? page(file.value.bank, request.params.id, query.data.after ?? null, query.data.limit)
        : null;
      if (found === null) {
        response
          .status(400)
          .json({ code: 'invalid_parameters', message: 'limit is 1 to 100; after is an entry of this account' });
        return;
      }
      response.json({ data: found.data.map(entryResource), has_more: found.hasMore });
    },
  );

  router.post('/sim/debits', express.json(), (request, response) => order(request, response, 'debit'));
  router.post('/sim/credits', express.json(), (request, response) => order(request, response, 'credit'));

  function accountOf(accountId: string, response: Response) {
    if (file.value.bank.accounts.includes(accountId)) return totals(file.value.bank, accountId);
    response.status(404).json({ code: 'not_found', message: `no account ${accountId}` });
    return null;
  }

  async function order(request: Request, response: Response, usual: 'credit' | 'debit'): Promise<void> {
    const body = orderBody.safeParse(request.body);
    const cents = body.success ? toBaseUnits(body.data.amount, 2) : null;
    if (!body.success || cents === null || cents === 0n) {
      response.status(400).json({
        code: 'invalid_parameters',
        message: body.success ? 'amount is a decimal above 0' : z.prettifyError(body.error),
      });
      return;
    }
    const { account_id: accountId, reference, description, direction } = body.data;
    const booking = book(
      file.value.bank,
      { accountId, reference, description, direction: direction ?? usual, cents },
      new Date(),
    );
    if (booking.kind === 'conflict') {
      response.status(409).json({
        code: 'reference_reused',
        message: `reference ${reference} was booked with another amount or direction`,
      });
      return;
    }
    await file.save();
    response.status(booking.kind === 'booked' ? 201 : 200).json(entryResource(booking.entry));
  }

  return router;
}
