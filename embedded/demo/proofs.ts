import { Client, Connection } from '@temporalio/client';
import { z } from 'zod';
import { formatDecimal, parseDecimal, sumBigint } from '../../services/shared/money';
import type { Stack } from '../stack';
import type { Journey } from './journey';
import { until } from './poll';
import type { Proof } from './report';
import * as shapes from './shapes';

/** Where the proofs look: the platform's API, the vendors' own books, the chain and Temporal. */
export interface ProofInput {
  readonly journey: Journey;
  readonly stack: Pick<Stack, 'surroundings' | 'temporalAddress'>;
  /** Workflows started from here on belong to the run. */
  readonly since: Date;
}

/**
 * Everything that is proven at the end. The platform proves its own books at `POST /v1/reconciliation`; the rest is looked
 * up where the other party keeps it, and compared with what the platform's ledger says over the API.
 */
export async function prove(input: ProofInput): Promise<readonly Proof[]> {
  const workflows = await proveWorkflows(input);
  const reconciliation = await input.journey.api.post(shapes.reconciliation, '/v1/reconciliation');
  return [
    ...reconciliation.proofs,
    ...(await proveDebtToken(input, BigInt(reconciliation.block_number))),
    ...(await proveCardNetwork(input)),
    ...(await proveOffRampAndBank(input)),
    ...workflows,
  ];
}

/** Base units of a decimal string, which may be negative. */
function units(text: string, decimals: number): bigint {
  const negative = text.startsWith('-');
  const parsed = parseDecimal(negative ? text.slice(1) : text, decimals);
  if (!parsed.ok) throw new Error(`not an amount: ${text}`);
  return negative ? -parsed.value : parsed.value;
}

function equal(name: string, expected: number | string, found: number | string): Proof {
  const [one, other] = [String(expected), String(found)];
  return { name, ok: one === other, expected: one, found: other };
}

const DECIMALS = { USD: 2, USDC: 6 } as const;

function equalMoney(name: string, asset: keyof typeof DECIMALS, expected: bigint, found: bigint): Proof {
  const show = (amount: bigint) => `${formatDecimal(amount, DECIMALS[asset])} ${asset}`;
  return equal(name, show(expected), show(found));
}

/** Balance of all ledger accounts of a type, base units of the asset. */
async function ledgerBalance({ api }: Journey, type: string, decimals: number, asset = 'USD'): Promise<bigint> {
  const shape = shapes.listOf(z.looseObject({ id: z.string(), balance: shapes.money }));
  const balances: bigint[] = [];
  for (let after: string | null = ''; after !== null; ) {
    const page: z.infer<typeof shape> = await api.get(
      shape,
      `/v1/ledger/accounts?type=${type}&asset=${asset}&limit=100${after}`,
    );
    balances.push(...page.data.map(({ balance }) => units(balance.amount, decimals)));
    after = page.has_more ? `&starting_after=${page.data.at(-1)?.id ?? ''}` : null;
  }
  return sumBigint(balances);
}

/** The debt token itself, read at the block at which the books were compared. */
async function proveDebtToken({ journey }: ProofInput, blockNumber: bigint): Promise<readonly Proof[]> {
  const onChain = await journey.auditor.venueDebt('USDC', journey.owner, blockNumber);
  const onLedger = await ledgerBalance(journey, 'venue.debt', 6, 'USDC');
  return [
    {
      ...equalMoney('debt_token_read_by_the_auditor', 'USDC', onLedger, onChain),
      detail: [`the variable debt token of ${journey.owner} at block ${blockNumber}`],
    },
  ];
}

const cardNetworkBook = z.looseObject({
  totals: z.looseObject({
    hold_amount: z.number(),
    net_amount: z.number(),
    settled_amount: z.number(),
    unsettled_amount: z.number(),
  }),
  webhooks_pending: z.number(),
});

const transactionSums = shapes.listOf(z.looseObject({ kind: z.string(), amount: shapes.money }));
const openHolds = shapes.listOf(z.looseObject({ requested: shapes.money }));

async function proveCardNetwork({ journey, stack }: ProofInput): Promise<readonly Proof[]> {
  const book = await fetchJson(cardNetworkBook, `${stack.surroundings.simulators['card-network'].url}/sim/book`);
  const { data: transactions } = await journey.api.get(transactionSums, '/v1/transactions?limit=100');
  const net = sumBigint(
    transactions.map(({ kind, amount }) => (kind === 'refund' ? -1n : 1n) * units(amount.amount, 2)),
  );
  const { data: pending } = await journey.api.get(openHolds, '/v1/authorizations?state=pending&limit=100');
  const held = sumBigint(pending.map(({ requested }) => units(requested.amount, 2)));
  return [
    equalMoney('card_network_book.cleared_less_refunded', 'USD', net, BigInt(book.totals.net_amount)),
    equalMoney('card_network_book.open_authorizations', 'USD', held, BigInt(book.totals.hold_amount)),
    equalMoney(
      'card_network_book.not_yet_settled',
      'USD',
      await ledgerBalance(journey, 'network.payable', 2),
      BigInt(book.totals.unsettled_amount),
    ),
    equal('card_network_book.undelivered_messages', 0, book.webhooks_pending),
  ];
}

const offRampBook = z.looseObject({
  transfers: z.array(
    z.looseObject({ state: z.string(), currency: z.string(), received: z.string(), paid_usd: z.string().nullable() }),
  ),
  unmatched_deposits: z.array(z.unknown()),
  bank: z.array(z.looseObject({ balance: z.string() })),
});

async function proveOffRampAndBank({ journey, stack }: ProofInput): Promise<readonly Proof[]> {
  const book = await fetchJson(offRampBook, `${stack.surroundings.simulators['off-ramp-vendor'].url}/sim/book`);
  const ours = await soldAndPaid(journey);
  const sumOf = (decimals: number, values: readonly (string | null)[]) =>
    sumBigint(values.map((value) => units(value ?? '0', decimals)));
  const received = book.transfers.filter(({ currency }) => currency === 'usdc').map((transfer) => transfer.received);
  const paid = sumOf(
    2,
    book.transfers.map((transfer) => transfer.paid_usd),
  );
  const balance = sumOf(
    2,
    book.bank.map((account) => account.balance),
  );
  return [
    equalMoney('off_ramp_book.tokens_received', 'USDC', ours.soldUsdc, sumOf(6, received)),
    equalMoney('off_ramp_book.paid_out_after_fees', 'USD', ours.paidCents, paid),
    equal('off_ramp_book.unassigned_tokens', 0, book.unmatched_deposits.length),
    equalMoney('bank_book.settlement_account', 'USD', await ledgerBalance(journey, 'bank.settlement', 2), balance),
  ];
}

/** Every sale of the run as the platform tells it. */
async function soldAndPaid({ api }: Journey): Promise<{ readonly soldUsdc: bigint; readonly paidCents: bigint }> {
  const { data: lines } = await api.get(shapes.listOf(shapes.transactionLine), '/v1/transactions?limit=100');
  let soldUsdc = 0n;
  let paidCents = 0n;
  for (const { id } of lines) {
    const { parts } = await api.get(shapes.transaction, `/v1/transactions/${id}`);
    for (const { sale } of parts) {
      if (sale?.state !== 'paid_out' || sale.gross === null || sale.fee === null) continue;
      if (sale.sold.asset === 'USDC') soldUsdc += units(sale.sold.amount, 6);
      paidCents += units(sale.gross.amount, 2) - units(sale.fee.amount, 2);
    }
  }
  return { soldUsdc, paidCents };
}

/** Workflows that may wait for something from outside; every other one has done its work when the journey is over. */
const MAY_WAIT: ReadonlySet<string> = new Set(['spendAuthorization']);
const TASK_QUEUE = 'escudo';
const WORKFLOWS_LIMIT_MS = 60_000;

interface SeenWorkflow {
  readonly id: string;
  readonly type: string;
  readonly status: string;
  readonly retrying: number;
}

async function proveWorkflows({ stack, since }: ProofInput): Promise<readonly Proof[]> {
  const connection = await Connection.connect({ address: stack.temporalAddress });
  try {
    const client = new Client({ connection, namespace: 'default' });
    const look = async (): Promise<readonly SeenWorkflow[]> => {
      const seen: SeenWorkflow[] = [];
      const query = `TaskQueue = '${TASK_QUEUE}' AND StartTime >= '${since.toISOString()}'`;
      for await (const { workflowId, runId, type, status } of client.workflow.list({ query })) {
        // Only what runs can be stuck in a step that fails again and again.
        const retrying = status.name === 'RUNNING' ? await retryingSteps(client, workflowId, runId) : 0;
        seen.push({ id: workflowId, type, status: status.name, retrying });
      }
      return seen;
    };
    const misplaced = (seen: readonly SeenWorkflow[]): readonly SeenWorkflow[] =>
      seen.filter((one) => {
        if (one.status === 'COMPLETED') return false;
        return !(one.status === 'RUNNING' && MAY_WAIT.has(one.type) && one.retrying === 0);
      });
    // A workflow ends a moment after the row it worked for, and Temporal's list follows a moment after that.
    const settled = await until(
      'every workflow coming to rest',
      look,
      (seen) => misplaced(seen).length === 0,
      () => '',
      WORKFLOWS_LIMIT_MS,
    ).catch(look);
    const wrong = misplaced(settled);
    const types = new Set(settled.map(({ type }) => type));
    const waiting = settled.filter(({ status }) => status === 'RUNNING').length;
    return [
      {
        ...equal('workflows_not_at_rest', 0, wrong.length),
        detail: [
          `${settled.length} workflows: ${settled.length - waiting} ended, ${waiting} waiting`,
          ...wrong.map(
            ({ id, status, retrying }) => `${id}: ${status}${retrying > 0 ? `, ${retrying} steps fail` : ''}`,
          ),
        ],
      },
      equal('kinds_of_workflow_that_ran', WORKFLOW_KINDS.join(' '), [...types].sort().join(' ')),
    ];
  } finally {
    await connection.close();
  }
}

const WORKFLOW_KINDS = [
  'cardIssuance',
  'creditDeposit',
  'drawLoan',
  'fundSale',
  'kycOnboarding',
  'moveCollateral',
  'repayLoan',
  'settleNetwork',
  'spendAuthorization',
] as const;

async function retryingSteps(client: Client, workflowId: string, runId: string): Promise<number> {
  const { raw } = await client.workflow.getHandle(workflowId, runId).describe();
  return (raw.pendingActivities ?? []).filter(({ attempt }) => (attempt ?? 1) > 1).length;
}

async function fetchJson<T>(shape: z.ZodType<T>, url: string): Promise<T> {
  const response = await fetch(url, { signal: AbortSignal.timeout(10_000) });
  if (!response.ok) throw new Error(`GET ${url} answered ${response.status}`);
  return shape.parse(await response.json());
}
