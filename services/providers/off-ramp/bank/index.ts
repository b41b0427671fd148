import type { z } from 'zod';
import { formatDecimal } from '../../../shared/money';
import { callVendor, jsonOf } from '../../call-vendor';
import type { VendorOutcome } from '../../processor/port';
import type { BankSandbox, BankStatements, BankTransaction } from '../port';
import { centsOf, toTransaction } from './mapping';
import { accountWire, entryPageWire, entryWire, errorWire } from './wire';

export interface BankConfig {
  /** Root of the statement API, e.g. `http://127.0.0.1:4030/bank`. */
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly accountId: string;
  /** How long a call may take; 10 s unless told. */
  readonly timeoutMs?: number;
}

/** Statements of the settlement account, and the simulator's credits. */
export function createBank(config: BankConfig): { readonly statements: BankStatements; readonly sandbox: BankSandbox } {
  const root = config.baseUrl.replace(/\/+$/, '');
  const account = `/accounts/${encodeURIComponent(config.accountId)}`;

  async function send<T>(schema: z.ZodType<T>, path: string, body: unknown): Promise<VendorOutcome<T>> {
    const outcome = await callVendor({
      method: body === null ? 'GET' : 'POST',
      url: `${root}${path}`,
      headers: {
        authorization: `Bearer ${config.apiKey}`,
        accept: 'application/json',
        'content-type': 'application/json',
      },
      timeoutMs: config.timeoutMs ?? 10_000,
      ...(body === null ? {} : { body: JSON.stringify(body) }),
    });
    if (outcome.kind !== 'ok') return outcome;
    const { status, text } = outcome.value;
    const json = jsonOf(text);
    if (status >= 300) {
      const error = errorWire.safeParse(json).data;
      return { kind: 'rejected', code: error?.code ?? String(status), detail: error?.message ?? `status ${status}` };
    }
    const parsed = schema.safeParse(json);
    return parsed.success ? { kind: 'ok', value: parsed.data } : unreadable(path);
  }

  const statements: BankStatements = {
    async balance() {
      const answer = await send(accountWire, account, null);
      if (answer.kind !== 'ok') return answer;
      const amount = centsOf(answer.value.balance);
      return amount === null ? unreadable('balance') : { kind: 'ok', value: { amount } };
    },
    async transactions({ after, limit }) {
      const query = new URLSearchParams({ limit: String(limit), ...(after === null ? {} : { after }) });
      const answer = await send(entryPageWire, `${account}/transactions?${query}`, null);
      if (answer.kind !== 'ok') return answer;
      const data: BankTransaction[] = [];
      for (const entry of answer.value.data) {
        const transaction = toTransaction(entry);
        if (transaction === null) return unreadable(`entry ${entry.id}`);
        data.push(transaction);
      }
      return { kind: 'ok', value: { data, hasMore: answer.value.has_more } };
    },
  };

  const sandbox: BankSandbox = {
    async credit({ reference, amount }) {
      const order = { account_id: config.accountId, reference, amount: formatDecimal(amount, 2) };
      const answer = await send(entryWire, '/sim/credits', order);
      if (answer.kind !== 'ok') return answer;
      const transaction = toTransaction(answer.value);
      return transaction === null ? unreadable(`entry ${answer.value.id}`) : { kind: 'ok', value: transaction };
    },
  };

  return { statements, sandbox };
}

function unreadable(what: string): { readonly kind: 'unknown'; readonly detail: string } {
  return { kind: 'unknown', detail: `unreadable answer: ${what}` };
}
