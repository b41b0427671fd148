import type { Refusal } from '../../shared/refusal';
import { ok, type Result } from '../../shared/result';
import { type AnyRoute, route } from '../route';
import { timestampView } from '../schemas/common';
import { z } from '../schemas/zod';

/** One claim about the books, checked against something outside them. */
export interface ProofView {
  readonly name: string;
  readonly ok: boolean;
  readonly expected: string;
  readonly found: string;
}

/** Proves the books of one organization now. Refuses when the chain or a vendor cannot be asked. */
export type Reconcile = (
  organizationId: string,
) => Promise<Result<{ readonly at: Date; readonly proofs: readonly ProofView[] }, Refusal>>;

const reportView = z
  .strictObject({
    ok: z.boolean().openapi({ description: 'Whether every proof holds.' }),
    at: timestampView,
    proofs: z.array(z.strictObject({ name: z.string(), ok: z.boolean(), expected: z.string(), found: z.string() })),
  })
  .openapi('Reconciliation');

export function reconciliationRoutes(reconcile: Reconcile): AnyRoute[] {
  return [
    route({
      method: 'post',
      path: '/v1/reconciliation',
      operationId: 'reconcile',
      summary: 'Prove the books now: ledger = chain = processor = bank',
      description:
        'Moves nothing, so it takes no Idempotency-Key. Each proof says what was expected and what was found.',
      tag: 'Reconciliation',
      access: { kind: 'organization', scope: 'reconciliation:write' },
      status: 200,
      view: reportView,
      handler: {
        kind: 'act',
        run: async ({ organizationId }) => {
          const report = await reconcile(organizationId);
          if (!report.ok) return report;
          const { at, proofs } = report.value;
          return ok({
            ok: proofs.every((proof) => proof.ok),
            at: at.toISOString(),
            proofs: proofs.map(({ name, ok: holds, expected, found }) => ({ name, ok: holds, expected, found })),
          });
        },
      },
    }),
  ];
}
