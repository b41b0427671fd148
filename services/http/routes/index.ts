import type { Knex } from 'knex';
import type { ReconciliationDeps } from '../../reconciliation/run-proofs';
import type { Sandbox } from '../../sandbox/sandbox';
import type { AnyRoute } from '../route';
import type { RouteDeps } from '../route-deps';
import { accountRoutes } from './accounts';
import { authorizationRoutes } from './authorizations';
import { backtestRoutes } from './backtests';
import { cardProductRoutes } from './card-products';
import { cardholderRoutes } from './cardholders';
import { cardRoutes } from './cards';
import { collateralRoutes } from './collateral';
import { controlVersionRoutes } from './control-versions';
import { controlRoutes } from './controls';
import { creditRoutes } from './credit';
import { depositRoutes } from './deposits';
import { eventRoutes } from './events';
import { fundingRoutes } from './funding';
import { ledgerRoutes } from './ledger';
import { operationRoutes } from './operations';
import { organizationRoutes } from './organizations';
import { partnerEndpointRoutes } from './partner-endpoints';
import { programRoutes } from './programs';
import { receiptRoutes } from './receipts';
import { reconciliationRoutes } from './reconciliation';
import { settlementRoutes } from './settlements';
import { simulateRoutes } from './simulate';
import { taxRoutes } from './taxes';
import { transactionRoutes } from './transactions';

/** Every route of `/v1`. Without a sandbox there is nothing to simulate with, and no route for it. */
export function createRoutes(
  deps: RouteDeps &
    ReconciliationDeps & {
      readonly knex: Knex;
      /** Of the role `app`, for statements that go through all of an organization's rows. */
      readonly proofsKnex: Knex;
      readonly sandbox: Sandbox | null;
      readonly privateEndpointsAllowed: boolean;
    },
): readonly AnyRoute[] {
  const { sandbox } = deps;
  return [
    ...organizationRoutes(deps),
    ...programRoutes(deps),
    ...partnerEndpointRoutes(deps),
    ...cardholderRoutes(deps),
    ...accountRoutes(deps),
    ...fundingRoutes(deps),
    ...cardProductRoutes(),
    ...cardRoutes(deps),
    ...controlRoutes(deps),
    ...controlVersionRoutes(deps),
    ...backtestRoutes(deps),
    ...authorizationRoutes(deps),
    ...receiptRoutes(deps),
    ...transactionRoutes(deps),
    ...creditRoutes(deps),
    ...collateralRoutes(deps),
    ...depositRoutes(deps),
    ...taxRoutes(deps),
    ...settlementRoutes(deps),
    ...reconciliationRoutes({ ...deps, knex: deps.proofsKnex }),
    ...operationRoutes(),
    ...eventRoutes(),
    ...ledgerRoutes(deps),
    ...(sandbox === null ? [] : simulateRoutes({ ...deps, sandbox })),
  ];
}
