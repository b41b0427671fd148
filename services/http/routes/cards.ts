import { issueCard } from '../../cards/issue-card';
import { listCards } from '../../cards/list-cards';
import { setCardState } from '../../cards/set-card-state';
import { showCard } from '../../cards/show-card';
import { changeControls } from '../../control-versions/change-controls';
import { formatId } from '../../shared/ids';
import type { Refusal } from '../../shared/refusal';
import { ok, type Result } from '../../shared/result';
import { type AnyRoute, route } from '../route';
import type { RouteDeps } from '../route-deps';
import { idInput, idView, optionalId, timestampView } from '../schemas/common';
import { cardControls, controls, toControls } from '../schemas/controls';
import { listQuery, listView, toListView, toPageRequest } from '../schemas/list';
import { z } from '../schemas/zod';

type CardRow = Awaited<ReturnType<typeof listCards>>['data'][number];

const STATES = ['pending', 'pending_fulfillment', 'shipped', 'inactive', 'active', 'paused', 'closed'] as const;

const cardView = z
  .strictObject({
    id: idView('card'),
    account_id: idView('account'),
    program_id: idView('program'),
    cardholder_id: idView('cardholder'),
    product_id: idView('cardProduct').nullable(),
    kind: z.enum(['virtual', 'physical']),
    state: z.enum(STATES),
    memo: z.string(),
    network: z.string().nullable(),
    last_four: z.string().nullable(),
    expiry_month: z.int().nullable(),
    expiry_year: z.int().nullable(),
    controls,
    controls_version: z.int(),
    failure: z.string().nullable(),
    created_at: timestampView,
    updated_at: timestampView,
  })
  .openapi('Card');

function cardOf(card: CardRow): z.input<typeof cardView> {
  return {
    id: formatId('card', card.id),
    account_id: formatId('account', card.account_id),
    program_id: formatId('program', card.program_id),
    cardholder_id: formatId('cardholder', card.cardholder_id),
    product_id: optionalId('cardProduct', card.product_id),
    kind: card.kind,
    state: card.state,
    memo: card.memo,
    network: card.network,
    last_four: card.last_four,
    expiry_month: card.expiry_month,
    expiry_year: card.expiry_year,
    controls: card.controls as z.input<typeof controls>,
    controls_version: card.controls_version,
    failure: card.failure,
    created_at: card.created_at.toISOString(),
    updated_at: card.updated_at.toISOString(),
  };
}

function viewed(result: Result<CardRow, Refusal>): Result<z.input<typeof cardView>, Refusal> {
  return result.ok ? ok(cardOf(result.value)) : result;
}

const params = z.strictObject({ card_id: idInput('card') });
const tag = 'Cards';
const write = { kind: 'organization', scope: 'cards:write' } as const;
const read = { kind: 'organization', scope: 'read' } as const;

const ACTIONS = [
  { verb: 'pause', state: 'paused', summary: 'Pause a card: the next authorization is declined' },
  { verb: 'resume', state: 'active', summary: 'Resume a paused card, or activate a physical one that has arrived' },
  { verb: 'close', state: 'closed', summary: 'Close a card for good; what was authorized still clears' },
] as const;

export function cardRoutes(deps: RouteDeps): AnyRoute[] {
  return [
    route({
      method: 'post',
      path: '/v1/cards',
      operationId: 'issueCard',
      summary: 'Issue a card on an account',
      description: 'The card is `pending` until the processor has made it; `card.issued` follows.',
      tag,
      access: write,
      body: z.strictObject({
        account_id: idInput('account'),
        product_id: idInput('cardProduct')
          .optional()
          .openapi({ description: 'What kind of card of the program it is.' }),
        kind: z
          .enum(['virtual', 'physical'])
          .optional()
          .openapi({ description: "The product's own kind where left out; virtual without a product." }),
        memo: z
          .string()
          .trim()
          .max(120)
          .refine((text) => !/\p{Cc}/u.test(text), 'must not contain control characters')
          .default('')
          .openapi({ description: 'Your own words for the card, not the name of a person: the processor is told it.' }),
        controls: cardControls.optional(),
      }),
      status: 202,
      view: cardView,
      handler: {
        kind: 'write',
        run: async (trx, { organizationId }, { body }) =>
          viewed(
            await issueCard(
              trx,
              {},
              {
                organizationId,
                accountId: body.account_id,
                productId: body.product_id,
                kind: body.kind,
                memo: body.memo,
                controls: body.controls === undefined ? undefined : toControls(body.controls),
              },
            ),
          ),
      },
    }),
    route({
      method: 'get',
      path: '/v1/cards',
      operationId: 'listCards',
      summary: 'Cards, newest first',
      tag,
      access: read,
      query: listQuery('card', {
        account_id: idInput('account').optional(),
        product_id: idInput('cardProduct').optional(),
        state: z.enum(STATES).optional(),
      }),
      status: 200,
      view: listView(cardView),
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { query }) => {
          const page = await listCards(trx, {
            organizationId,
            accountId: query.account_id,
            productId: query.product_id,
            state: query.state,
            page: toPageRequest(query),
          });
          return ok(toListView(page, cardOf));
        },
      },
    }),
    route({
      method: 'get',
      path: '/v1/cards/{card_id}',
      operationId: 'getCard',
      summary: 'A card',
      tag,
      access: read,
      params,
      status: 200,
      view: cardView,
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { params: { card_id } }) =>
          viewed(await showCard(trx, { organizationId, cardId: card_id })),
      },
    }),
    ...ACTIONS.map(({ verb, state, summary }) =>
      route({
        method: 'post',
        path: `/v1/cards/{card_id}/${verb}`,
        operationId: `${verb}Card`,
        summary,
        tag,
        access: write,
        params,
        status: 200,
        view: cardView,
        handler: {
          kind: 'write',
          run: async (trx, { organizationId }, { params: { card_id } }) =>
            viewed(await setCardState(trx, {}, { organizationId, cardId: card_id, state })),
        },
      }),
    ),
    route({
      method: 'put',
      path: '/v1/cards/{card_id}/controls',
      operationId: 'updateCardControls',
      summary: 'Replace the controls of a card',
      description:
        'The whole new set: what is left out is no longer restricted. What is tighter applies at once; what is looser waits for the cooling-off of the program.',
      tag,
      access: write,
      params,
      body: cardControls,
      status: 200,
      view: cardView,
      handler: {
        kind: 'write',
        run: async (trx, { organizationId, caller }, { params: { card_id }, body }) => {
          const changed = await changeControls(trx, deps, {
            organizationId,
            wanted: { kind: 'card', cardId: card_id, controls: toControls(body) },
            note: '',
            createdBy: caller?.apiKeyId ?? null,
          });
          return changed.ok ? viewed(await showCard(trx, { organizationId, cardId: card_id })) : changed;
        },
      },
    }),
  ];
}
