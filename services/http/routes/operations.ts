import { listStuckWork, type StuckWork } from '../../operations/list-stuck-work';
import { retryStuckWork } from '../../operations/retry-stuck-work';
import { STUCK_KINDS, type StuckKind } from '../../operations/rules/stuck-kind';
import { formatId, type IdKind } from '../../shared/ids';
import { ok } from '../../shared/result';
import { type AnyRoute, route } from '../route';
import { idInput, idView, optionalId, timestampView } from '../schemas/common';
import { z } from '../schemas/zod';

const SHOWN_MAX = 100;

const ID_OF: Readonly<Record<StuckKind, IdKind>> = {
  sale: 'saleOrder',
  buy_back: 'repayment',
  sweep: 'deposit',
  settlement: 'settlement',
};

const stuckView = z
  .strictObject({
    kind: z.enum(STUCK_KINDS),
    id: z.string().openapi({ description: 'Of the sale, repayment, deposit or settlement.' }),
    account_id: idView('account').nullable(),
    state: z.string(),
    reason: z.string(),
    tries: z.int(),
    since: timestampView,
  })
  .openapi('StuckWork');

function stuckOf(work: StuckWork): z.input<typeof stuckView> {
  return {
    kind: work.kind,
    id: formatId(ID_OF[work.kind], work.id),
    account_id: optionalId('account', work.account_id),
    state: work.state,
    reason: work.reason,
    tries: work.tries,
    since: work.since.toISOString(),
  };
}

const retryBody = z
  .strictObject({
    sale_id: idInput('saleOrder'),
    repayment_id: idInput('repayment'),
    deposit_id: idInput('deposit'),
    settlement_id: idInput('settlement'),
  })
  .partial()
  .superRefine((body, context) => {
    if (Object.values(body).filter((id) => id !== undefined).length === 1) return;
    context.addIssue({ code: 'custom', path: [], message: 'must name one thing, such as {"sale_id": "sale_…"}' });
  });

function namedWork(body: z.output<typeof retryBody>): { readonly kind: StuckKind; readonly id: string } {
  if (body.sale_id !== undefined) return { kind: 'sale', id: body.sale_id };
  if (body.repayment_id !== undefined) return { kind: 'buy_back', id: body.repayment_id };
  if (body.deposit_id !== undefined) return { kind: 'sweep', id: body.deposit_id };
  return { kind: 'settlement', id: body.settlement_id ?? '' };
}

/** Work that waits for somebody's word, and that word. */
export function operationRoutes(): AnyRoute[] {
  return [
    route({
      method: 'get',
      path: '/v1/operations/stuck',
      operationId: 'listStuckWork',
      summary: 'Work that goes on only when somebody says so, the oldest first',
      description:
        'Sales out of attempts or of unclear fate, reverted buy-backs and sweeps, settlements with a difference: at most 100 of each kind.',
      tag: 'Operations',
      access: { kind: 'organization', scope: 'read' },
      status: 200,
      view: z.strictObject({ stuck: z.array(stuckView) }),
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }) => {
          const stuck = await listStuckWork(trx, { organizationId, limit: SHOWN_MAX });
          return ok({ stuck: stuck.map(stuckOf) });
        },
      },
    }),
    route({
      method: 'post',
      path: '/v1/operations/retries',
      operationId: 'retryStuckWork',
      summary: 'Have stuck work tried again',
      description:
        'A try has an order and transactions of its own, so nothing happens twice. A sale of unclear fate is asked after, not sold again.',
      tag: 'Operations',
      access: { kind: 'organization', scope: 'operations:write' },
      body: retryBody,
      status: 202,
      view: stuckView,
      handler: {
        kind: 'write',
        run: async (trx, { organizationId }, { body }) => {
          const retried = await retryStuckWork(trx, { organizationId, ...namedWork(body) });
          return retried.ok ? ok(stuckOf(retried.value)) : retried;
        },
      },
    }),
  ];
}
