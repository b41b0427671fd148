import { Router } from 'express';
import { z } from 'zod';
import type { Faults } from '../shared/faults';
import type { StateFile } from '../shared/state-file';
import { cardResource, issueCard } from './cards';
import { Refusal } from './network';
import type { IssuedCard, NetworkState } from './state';

const DEFAULT_PROGRAM = '00000000-0000-0000-1000-000000000000';
const DEFAULT_ACCOUNT = '00000000-0000-0000-0000-00000000000a';

/** Lithic takes more fields than are simulated: they are accepted and left. */
const createBody = z.looseObject({
  type: z.enum(['VIRTUAL', 'PHYSICAL', 'SINGLE_USE', 'MERCHANT_LOCKED']),
  memo: z.string().max(500).default(''),
  card_program_token: z.string().min(1).default(DEFAULT_PROGRAM),
  account_token: z.string().min(1).default(DEFAULT_ACCOUNT),
  state: z.enum(['OPEN', 'PAUSED']).default('OPEN'),
  exp_month: z
    .string()
    .regex(/^(0[1-9]|1[0-2])$/)
    .optional(),
  exp_year: z
    .string()
    .regex(/^\d{4}$/)
    .optional(),
});
const updateBody = z.looseObject({
  state: z.enum(['OPEN', 'PAUSED', 'CLOSED']).optional(),
  memo: z.string().max(500).optional(),
});
const listQuery = z.object({
  account_token: z.string().optional(),
  state: z.string().optional(),
  memo: z.string().optional(),
  page_size: z.coerce.number().int().min(1).max(100).default(50),
  starting_after: z.string().optional(),
});

/** `/v1/cards` as published: create under an idempotency key, list, get, update. */
export function cardRoutes(file: StateFile<NetworkState>, faults: Faults): Router {
  const router = Router();
  const cardOf = (token: string | undefined): IssuedCard => {
    const card = file.value.cards[token ?? ''];
    if (card === undefined) throw new Refusal(404, 'Card not found');
    return card;
  };

  router.post('/', faults.onRoute('POST /v1/cards'), async (request, response) => {
    const state = file.value;
    const key = request.header('idempotency-key');
    if (key !== undefined && !z.uuid().safeParse(key).success) throw new Refusal(400, 'Idempotency-Key must be a UUID');
    const known = key === undefined ? undefined : state.idempotency[key];
    if (known !== undefined) {
      response.json(cardResource(cardOf(known)));
      return;
    }
    const body = createBody.parse(request.body);
    const card = issueCard(
      state,
      {
        type: body.type,
        memo: body.memo,
        programToken: body.card_program_token,
        accountToken: body.account_token,
        state: body.state,
        expMonth: body.exp_month ?? null,
        expYear: body.exp_year ?? null,
      },
      new Date(),
    );
    if (key !== undefined) state.idempotency[key] = card.token;
    await file.save();
    response.json(cardResource(card));
  });

  router.get('/', faults.onRoute('GET /v1/cards'), (request, response) => {
    const query = listQuery.parse(request.query);
    const found = Object.values(file.value.cards)
      .toReversed()
      .filter(({ accountToken }) => query.account_token === undefined || accountToken === query.account_token)
      .filter(({ state }) => query.state === undefined || state === query.state)
      .filter(({ memo }) => query.memo === undefined || memo.includes(query.memo));
    const from =
      query.starting_after === undefined ? 0 : found.findIndex(({ token }) => token === query.starting_after) + 1;
    response.json({
      data: found.slice(from, from + query.page_size).map(cardResource),
      has_more: from + query.page_size < found.length,
    });
  });

  router.get('/:token', faults.onRoute('GET /v1/cards/:token'), (request, response) => {
    response.json(cardResource(cardOf(request.params.token)));
  });

  router.patch('/:token', faults.onRoute('PATCH /v1/cards/:token'), async (request, response) => {
    const card = cardOf(request.params.token);
    const body = updateBody.parse(request.body);
    if (body.state !== undefined && card.state === 'CLOSED' && body.state !== 'CLOSED') {
      throw new Refusal(400, 'A closed card cannot be opened again');
    }
    if (body.state !== undefined) card.state = body.state;
    if (body.memo !== undefined) card.memo = body.memo;
    await file.save();
    response.json(cardResource(card));
  });

  return router;
}
