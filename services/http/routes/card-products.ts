import { changeCardProduct } from '../../card-products/change-card-product';
import { createCardProduct } from '../../card-products/create-card-product';
import { type CardProductRow, listCardProducts, showCardProduct } from '../../card-products/read-card-products';
import { setCardProductState } from '../../card-products/set-card-product-state';
import { formatId } from '../../shared/ids';
import type { Refusal } from '../../shared/refusal';
import { ok, type Result } from '../../shared/result';
import { type AnyRoute, route } from '../route';
import { idInput, idView, textInput, timestampView } from '../schemas/common';
import { listQuery, listView, toListView, toPageRequest } from '../schemas/list';
import { switchBody } from '../schemas/switch';
import { z } from '../schemas/zod';

const KINDS = ['virtual', 'physical'] as const;
const STATES = ['active', 'disabled'] as const;

const cardProductView = z
  .strictObject({
    id: idView('cardProduct'),
    program_id: idView('program'),
    name: z.string(),
    kind: z.enum(KINDS),
    state: z.enum(STATES),
    state_reason: z.string().nullable().openapi({ description: 'Why the switch was last turned, in your own words.' }),
    created_at: timestampView,
    updated_at: timestampView,
  })
  .openapi('CardProduct');

function cardProductOf(row: CardProductRow): z.input<typeof cardProductView> {
  return {
    id: formatId('cardProduct', row.id),
    program_id: formatId('program', row.program_id),
    name: row.name,
    kind: row.kind,
    state: row.state,
    state_reason: row.state_reason,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}

function viewed(result: Result<CardProductRow, Refusal>): Result<z.input<typeof cardProductView>, Refusal> {
  return result.ok ? ok(cardProductOf(result.value)) : result;
}

const params = z.strictObject({ card_product_id: idInput('cardProduct') });
const tag = 'Card products';
const write = { kind: 'organization', scope: 'programs:write' } as const;
const read = { kind: 'organization', scope: 'read' } as const;

const SWITCHES = [
  { verb: 'enable', state: 'active', summary: 'Switch a kind of card on' },
  { verb: 'disable', state: 'disabled', summary: 'Switch a kind of card off: every authorization on it is declined' },
] as const;

export function cardProductRoutes(): AnyRoute[] {
  return [
    route({
      method: 'post',
      path: '/v1/card-products',
      operationId: 'createCardProduct',
      summary: 'Open a kind of card within a program',
      description: 'Cards issued with its id can be switched off together, apart from the others of the program.',
      tag,
      access: write,
      body: z.strictObject({
        program_id: idInput('program'),
        name: textInput(120),
        kind: z.enum(KINDS).default('virtual'),
      }),
      status: 201,
      view: cardProductView,
      handler: {
        kind: 'write',
        run: async (trx, { organizationId }, { body }) =>
          viewed(
            await createCardProduct(trx, {
              organizationId,
              programId: body.program_id,
              name: body.name,
              kind: body.kind,
            }),
          ),
      },
    }),
    route({
      method: 'get',
      path: '/v1/card-products',
      operationId: 'listCardProducts',
      summary: 'Kinds of cards, newest first',
      tag,
      access: read,
      query: listQuery('cardProduct', { program_id: idInput('program').optional(), state: z.enum(STATES).optional() }),
      status: 200,
      view: listView(cardProductView),
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { query }) => {
          const page = await listCardProducts(trx, {
            organizationId,
            programId: query.program_id,
            state: query.state,
            page: toPageRequest(query),
          });
          return ok(toListView(page, cardProductOf));
        },
      },
    }),
    route({
      method: 'get',
      path: '/v1/card-products/{card_product_id}',
      operationId: 'getCardProduct',
      summary: 'A kind of card',
      tag,
      access: read,
      params,
      status: 200,
      view: cardProductView,
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { params: { card_product_id } }) =>
          viewed(await showCardProduct(trx, { organizationId, productId: card_product_id })),
      },
    }),
    route({
      method: 'patch',
      path: '/v1/card-products/{card_product_id}',
      operationId: 'changeCardProduct',
      summary: 'Give a kind of card another name',
      tag,
      access: write,
      params,
      body: z.strictObject({ name: textInput(120) }),
      status: 200,
      view: cardProductView,
      handler: {
        kind: 'write',
        run: async (trx, { organizationId }, { params: { card_product_id }, body }) =>
          viewed(await changeCardProduct(trx, { organizationId, productId: card_product_id, name: body.name })),
      },
    }),
    ...SWITCHES.map(({ verb, state, summary }) =>
      route({
        method: 'post',
        path: `/v1/card-products/{card_product_id}/${verb}`,
        operationId: `${verb}CardProduct`,
        summary,
        description: 'Takes effect with the next authorization. What was authorized before still clears.',
        tag,
        access: write,
        params,
        body: switchBody,
        status: 200,
        view: cardProductView,
        handler: {
          kind: 'write',
          run: async (trx, { organizationId }, { params: { card_product_id }, body }) =>
            viewed(
              await setCardProductState(trx, {
                organizationId,
                productId: card_product_id,
                state,
                reason: body.reason,
              }),
            ),
        },
      }),
    ),
  ];
}
