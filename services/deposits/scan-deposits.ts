import type { Knex } from 'knex';
import type { ChainDeployment, ChainReader, TokenTransferLog } from '../chain/port';
import { newId } from '../database/new-id';
import { inOrganization } from '../database/transaction';
import { appendCommand } from '../outbox/append-command';
import { assetOfToken } from '../treasury/wallets';
import {
  type AddressRoute,
  depositAddresses,
  findCursor,
  insertDeposit,
  lockDepositOfTransfer,
  routesOf,
  saveCursor,
  updateDeposit,
} from './deposit.repository';
import { next } from './rules/deposit-state';

export interface ScanDepositsDeps {
  /** Pool of the role `worker`: cursors and routes belong to no organization. */
  readonly workerKnex: Knex;
  /** Pool of the role `app`: deposits are written within their organization. */
  readonly knex: Knex;
  readonly reader: ChainReader;
  readonly deployment: Pick<ChainDeployment, 'chainId' | 'confirmations' | 'tokens'>;
  /** First block that can hold a deposit of ours. */
  readonly startBlock: bigint;
}

const CURSOR = 'deposits';
/** Blocks asked for at once: nodes refuse larger ranges. */
const BLOCKS_AT_ONCE = 500n;
/** Beyond this many addresses the node is asked for all transfers of our tokens instead of for ours. */
const RECIPIENTS_MAX = 500;
/** Blocks read again at least when the chain has changed under the cursor. */
const REWIND_BLOCKS = 64n;

export interface DepositScan {
  /** Whether blocks are left to be read. */
  readonly more: boolean;
  readonly seen: number;
  readonly rewound: boolean;
}

/**
 * Reads the next blocks for transfers to deposit addresses. The cursor remembers the hash of its block; if the chain has another one there,
 * the last blocks are read again. A transfer found again updates its row, so reading blocks twice changes nothing.
 */
export async function scanDeposits(deps: ScanDepositsDeps): Promise<DepositScan> {
  const { workerKnex, reader, deployment } = deps;
  const { chainId } = deployment;
  const head = await reader.head();
  const cursor = await findCursor(workerKnex, chainId, CURSOR);
  let from = cursor === undefined ? deps.startBlock : cursor.block_number + 1n;
  let rewound = false;
  if (cursor !== undefined) {
    const known = cursor.block_number <= head.number ? await reader.block(cursor.block_number) : null;
    if (known?.hash !== cursor.block_hash) {
      rewound = true;
      const depth = REWIND_BLOCKS + BigInt(deployment.confirmations);
      const lowest = cursor.block_number < head.number ? cursor.block_number : head.number;
      from = lowest > deps.startBlock + depth ? lowest - depth : deps.startBlock;
    }
  }
  if (from > head.number) return { more: false, seen: 0, rewound };
  const to = from + BLOCKS_AT_ONCE - 1n < head.number ? from + BLOCKS_AT_ONCE - 1n : head.number;
  // Read before the logs: if the chain changes in between, the cursor's hash shows it next time.
  const last = to === head.number ? head : await reader.block(to);
  if (last === null) return { more: true, seen: 0, rewound };

  const tokens = Object.values(deployment.tokens).map((token) => token.address);
  const addresses = await depositAddresses(workerKnex, chainId, RECIPIENTS_MAX);
  const transfers = await reader.tokenTransfers(
    tokens,
    from,
    to,
    addresses.length > RECIPIENTS_MAX ? undefined : addresses,
  );
  const routes = new Map(
    (
      await routesOf(
        workerKnex,
        chainId,
        transfers.map((transfer) => transfer.to),
      )
    ).map((route) => [route.address, route]),
  );
  let seen = 0;
  for (const transfer of transfers) {
    const route = routes.get(transfer.to);
    if (route?.account_id && transfer.amount > 0n) {
      await recordSeen(deps, route, route.account_id, transfer);
      seen += 1;
    }
  }
  await saveCursor(workerKnex, chainId, CURSOR, { block_number: last.number, block_hash: last.hash });
  return { more: to < head.number, seen, rewound };
}

async function recordSeen(
  deps: ScanDepositsDeps,
  route: AddressRoute,
  accountId: string,
  transfer: TokenTransferLog,
): Promise<void> {
  const asset = assetOfToken(deps.deployment, transfer.token);
  if (asset === null) return;
  const organizationId = route.organization_id;
  await inOrganization(deps.knex, organizationId, async (trx) => {
    const place = {
      account_id: accountId,
      asset,
      amount: transfer.amount,
      from_address: transfer.from,
      to_address: transfer.to,
      block_hash: transfer.blockHash,
      block_number: transfer.blockNumber,
    };
    const known = await lockDepositOfTransfer(trx, organizationId, transfer);
    if (known === undefined) {
      const id = newId();
      await insertDeposit(trx, {
        organization_id: organizationId,
        id,
        chain_id: transfer.chainId,
        transaction_hash: transfer.transactionHash,
        receipt_position: transfer.receiptPosition,
        state: 'seen',
        ...place,
      });
      await follow(`deposit:${id}`, id);
      return;
    }
    const transition = next(known.state, 'seenAgain');
    if (transition.kind === 'changed') {
      await updateDeposit(trx, organizationId, known.id, { state: transition.state, ...place });
      // Its first workflow ended when it was dropped.
      await follow(`deposit:${known.id}:${transfer.blockHash}`, known.id);
    } else if (known.state === 'seen') {
      await updateDeposit(trx, organizationId, known.id, place);
    }

    async function follow(workflowId: string, depositId: string): Promise<void> {
      await appendCommand(trx, {
        organizationId,
        workflowType: 'creditDeposit',
        workflowId,
        payload: { organizationId, depositId },
      });
    }
  });
}
