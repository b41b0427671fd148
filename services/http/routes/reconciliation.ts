import { type ReconciliationDeps, runProofs } from '../../reconciliation/run-proofs';
import { ok } from '../../shared/result';
import { type AnyRoute, route } from '../route';
import { z } from '../schemas/zod';

const proofView = z
  .strictObject({
    name: z.string().openapi({ example: 'ledger_equals_chain.treasury_wallets_USDC' }),
    ok: z.boolean(),
    expected: z.string(),
    found: z.string(),
    detail: z.array(z.string()).openapi({ description: 'What differs, in words.' }),
  })
  .openapi('Proof');

const reconciliationView = z
  .strictObject({
    ok: z.boolean().openapi({ description: 'Every proof is true.' }),
    block_number: z.string().openapi({ description: 'The block at which the ledger was compared with the chain.' }),
    proofs: z.array(proofView),
  })
  .openapi('Reconciliation');

export function reconciliationRoutes(deps: ReconciliationDeps): AnyRoute[] {
  return [
    route({
      method: 'post',
      path: '/v1/reconciliation',
      operationId: 'runReconciliation',
      summary: 'Prove the books: ledger against itself, the chain, the bank, the off-ramp and the network',
      description:
        'Accrues interest up to one block, asks everybody and answers what was expected and what was found. Moves no money, so it takes no Idempotency-Key.',
      tag: 'Reconciliation',
      access: { kind: 'organization', scope: 'reconciliation:write' },
      status: 200,
      view: reconciliationView,
      handler: {
        kind: 'act',
        run: async ({ organizationId }) => {
          const { ok: allTrue, blockNumber, proofs } = await runProofs(deps, { organizationId });
          return ok({
            ok: allTrue,
            block_number: blockNumber.toString(),
            proofs: proofs.map((proof) => ({ ...proof, detail: [...proof.detail] })),
          });
        },
      },
    }),
  ];
}
