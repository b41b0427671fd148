import { randomUUID } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import type { Knex } from 'knex';
import { Client } from 'pg';
import request from 'supertest';
import { createKnex } from '../../../../services/database/knex';
import { inOrganization } from '../../../../services/database/transaction';
import { fundsOf, networkPayableOf, overdueOf, revenueOf } from '../../../../services/ledger/account-refs';
import type { LedgerAccountRef } from '../../../../services/ledger/draft';
import { balanceOf, countersOfRef } from '../../../../services/ledger/ledger.repository';
import { assetTotals, recomputeBalances } from '../../../../services/ledger/ledger-report.repository';
import { availableBalance } from '../../../../services/ledger/rules/account-balance';
import { DEFAULT_PROGRAM_POLICY, type ProgramPolicy } from '../../../../services/programs/rules/program-policy';
import { required } from '../../../../services/shared/assert';
import { signedHeaders } from '../../../builders/signed-message';
import { createSpendingWorld, type SpendingWorldOptions, type WorldAccount } from '../../../builders/spending-world';
import { type ApiUnderTest, startApiUnderTest } from '../../http/api-under-test';

export const USDC = 1_000_000n;

type Json = Readonly<Record<string, unknown>>;

const MERCHANT = { acceptor_id: 'M-1', descriptor: 'CORNER GROCER', city: 'BERLIN', country: 'DEU', mcc: '5411' };
const AT_THE_TILL = {
  entry_mode: { pan: 'ICC', cardholder: 'PRESENT' },
  terminal: { partial_approval_capable: false, type: 'POS_TERMINAL' },
};

export const CASH_MACHINE = {
  merchant: { ...MERCHANT, descriptor: 'CITY BANK ATM', mcc: '6011' },
  pos: {
    entry_mode: { pan: 'ICC', cardholder: 'PRESENT' },
    terminal: { partial_approval_capable: false, type: 'ATM' },
  },
};

export const TAKES_PARTIAL = {
  pos: { ...AT_THE_TILL, terminal: { partial_approval_capable: true, type: 'POS_TERMINAL' } },
};

export function merchantOf(mcc: string): { readonly merchant: typeof MERCHANT } {
  return { merchant: { ...MERCHANT, mcc } };
}

/** What the processor was answered, in its own words. */
export interface Answer {
  readonly result: string;
  readonly approved_amount?: number;
  readonly avs_result?: string;
  readonly balance?: { readonly amount: number; readonly available: number };
}

export interface AskOptions {
  readonly status?: string;
  readonly eventToken?: string;
  readonly merchantMoney?: { readonly amount: number; readonly currency: string };
  readonly cash?: number;
  readonly overrides?: Json;
  /** Sends this very body once more instead of making one. */
  readonly body?: string;
}

export interface EventOptions {
  readonly result?: string;
  readonly detailedResults?: readonly string[];
  readonly polarity?: 'CREDIT' | 'DEBIT';
  readonly token?: string;
  /** Cents that Lithic still holds after it; with 0 and as the last event, a clearing is final. */
  readonly holdLeft?: number;
  readonly currency?: string;
  readonly at?: Date;
  /** Added to the history without telling us. */
  readonly untold?: boolean;
}

const MONEY_MOVES = new Set([
  'CLEARING',
  'FINANCIAL_AUTHORIZATION',
  'FINANCIAL_CREDIT_AUTHORIZATION',
  'RETURN',
  'RETURN_REVERSAL',
]);

/** The processor's side of one purchase: asks for decisions and tells of events as Lithic does, signed. */
export class LithicPurchase {
  readonly token = randomUUID();
  private readonly events: Json[] = [];
  lastEventToken = '';
  lastBody = '';

  constructor(
    private readonly tested: ApiUnderTest,
    private readonly card: WorldAccount,
    private details: {
      readonly merchant?: Json;
      readonly pos?: Json;
      readonly avs?: Json;
      readonly merchantCurrency?: { readonly currency: string; readonly perDollar: number };
    } = {},
  ) {}

  /** From now on its messages tell other details than those before. */
  becomes(details: ConstructorParameters<typeof LithicPurchase>[2]): void {
    this.details = { ...details };
  }

  private local(cents: number) {
    const { merchantCurrency } = this.details;
    return merchantCurrency === undefined
      ? { amount: cents, currency: 'USD' }
      : { amount: Math.round(cents * merchantCurrency.perDollar), currency: merchantCurrency.currency };
  }

  /** One Auth Stream Access request. The first opens the purchase, a further one carries an increment. */
  async ask(cents: number, options: AskOptions = {}): Promise<Answer> {
    const answer = await this.send(
      '/processors/lithic/authorizations',
      this.tested.asaSecret,
      this.bodyOf(cents, options),
    );
    expect(answer.body.token ?? this.token).toBe(this.token);
    const { token: _token, ...rest } = answer.body;
    return rest;
  }

  /** Asks for more on a purchase that is known and hangs up before the answer; it is decided and stored all the same. */
  async askAndHangUp(cents: number, options: AskOptions = {}): Promise<void> {
    const body = this.bodyOf(cents, options);
    const blocker = new Client({ connectionString: this.tested.database.superuserUrl });
    await blocker.connect();
    try {
      await blocker.query('BEGIN');
      await blocker.query('SELECT 1 FROM accounts WHERE id = $1 FOR UPDATE', [this.card.accountId]);
      const asked = httpRequest(`${this.tested.url}/processors/lithic/authorizations`, {
        method: 'POST',
        headers: { ...signedHeaders(this.tested.asaSecret, body), 'Content-Length': Buffer.byteLength(body) },
      });
      const hungUp = new Promise((resolve) => asked.once('error', resolve));
      asked.end(body);
      await this.until(
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
      );
      asked.destroy(new Error('hung up'));
      await hungUp;
      // The other end is told by the operating system of this machine.
      await new Promise((resolve) => setTimeout(resolve, 50));
      await blocker.query('COMMIT');
      await this.until(`SELECT 1 FROM card_messages WHERE message_id = '${this.lastEventToken}'`);
    } finally {
      await blocker.end();
    }
  }

  private async until(query: string): Promise<void> {
    for (let tries = 0; tries < 500; tries += 1) {
      const { rows } = await this.tested.sql.query(query);
      if (rows.length > 0) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`nothing came of: ${query}`);
  }

  private bodyOf(cents: number, options: AskOptions): string {
    const eventToken = options.eventToken ?? randomUUID();
    const local = options.merchantMoney ?? this.local(cents);
    const body =
      options.body ??
      JSON.stringify({
        token: this.token,
        event_token: eventToken,
        status: options.status ?? 'AUTHORIZATION',
        created: new Date().toISOString(),
        authorization_amount: cents,
        cardholder_currency: 'USD',
        merchant_amount: local.amount,
        merchant_currency: local.currency,
        amounts: { cardholder: { amount: cents, currency: 'USD' }, merchant: local },
        cash_amount: options.cash ?? 0,
        card: { token: this.card.cardToken },
        merchant: this.details.merchant ?? MERCHANT,
        avs: this.details.avs ?? { address_on_file_match: 'NOT_PRESENT' },
        pos: this.details.pos ?? AT_THE_TILL,
        ...options.overrides,
      });
    this.lastEventToken = eventToken;
    this.lastBody = body;
    return body;
  }

  /** Adds an event to the purchase's history and sends the whole history, as Lithic does. */
  async tell(type: string, cents: number, options: EventOptions = {}): Promise<void> {
    const money = { amount: cents, currency: options.currency ?? 'USD' };
    this.events.push({
      token: options.token ?? randomUUID(),
      type,
      result: options.result ?? 'APPROVED',
      detailed_results: options.detailedResults ?? [options.result ?? 'APPROVED'],
      effective_polarity: options.polarity ?? 'CREDIT',
      created: (options.at ?? new Date()).toISOString(),
      amount: cents,
      amounts: {
        cardholder: money,
        merchant: this.local(cents),
        settlement: MONEY_MOVES.has(type) ? money : null,
      },
    });
    if (options.untold !== true) await this.deliver(this.events, options.holdLeft ?? 0);
  }

  /** The whole history once more; `only` limits and orders it as an older or a disordered delivery would. */
  async repeat(only?: readonly number[], holdLeft = 0): Promise<void> {
    const events = only === undefined ? this.events : only.map((index) => required(this.events[index], 'event'));
    await this.deliver(events, holdLeft);
  }

  private async deliver(events: readonly Json[], holdLeft: number): Promise<void> {
    const body = JSON.stringify({
      event_type: 'card_transaction.updated',
      token: this.token,
      card_token: this.card.cardToken,
      merchant: this.details.merchant ?? MERCHANT,
      pos: this.details.pos ?? AT_THE_TILL,
      amounts: { hold: { amount: -holdLeft, currency: 'USD' } },
      events,
    });
    const answer = await this.send('/processors/lithic/events', this.tested.eventsSecret, body);
    expect(answer.status).toBe(200);
  }

  private send(path: string, secret: string, body: string) {
    return request(this.tested.url).post(path).set(signedHeaders(secret, body)).send(body);
  }
}

/** What is on record of one purchase and its account. Amounts are cents; of tokens, base units. */
export interface Books {
  readonly state: string | null;
  readonly approved: bigint;
  readonly cleared: bigint;
  readonly reversed: bigint;
  readonly refunded: bigint;
  readonly fee: bigint;
  /** Cents that its legs still hold. */
  readonly held: bigint;
  /** USDC that the account may still spend. */
  readonly free: bigint;
  readonly owedToNetwork: bigint;
  readonly fees: bigint;
  readonly overdue: bigint;
  /** Spent today and purchases today, as the account's limits count them. */
  readonly counted: readonly [string, number];
}

/** An account with a card, of a program of its own, and the processor that serves it. */
export interface Cardholder extends WorldAccount {
  readonly organizationId: string;
  readonly programId: string;
  purchase(details?: ConstructorParameters<typeof LithicPurchase>[2]): LithicPurchase;
  books(purchase?: { readonly token: string }): Promise<Books>;
  rows(table: string, order?: string): Promise<readonly Record<string, unknown>[]>;
  /** The purchase's events as the fintech is told of them, oldest first. */
  told(): Promise<readonly string[]>;
}

export interface Lifecycle {
  readonly tested: ApiUnderTest;
  readonly knex: Knex;
  cardholder(
    options?: Omit<SpendingWorldOptions, 'accounts' | 'policy'> & { readonly policy?: Partial<ProgramPolicy> },
  ): Promise<Cardholder>;
  end(): Promise<void>;
}

/** No conversion buffer, so that what is held of a token is what it covers to the unit. */
const PLAIN: Partial<ProgramPolicy> = { conversion_buffer_bps: 0, hold_allowance_bps: {}, limits: {} };

export async function startLifecycle(environment: Record<string, string> = {}): Promise<Lifecycle> {
  const tested = await startApiUnderTest(environment);
  const knex = createKnex(tested.database.urls.escudo_app, 4, 'lifecycle-test');
  return {
    tested,
    knex,
    async cardholder(options = {}) {
      const world = await createSpendingWorld(tested.database.superuserUrl, {
        accounts: 1,
        funds: { USDC: 500n * USDC },
        ...options,
        policy: { ...PLAIN, ...options.policy },
      });
      return cardholderOf(tested, knex, world.organizationId, world.programId, required(world.accounts[0], 'account'));
    },
    async end() {
      await knex.destroy();
      await tested.end();
    },
  };
}

export const DEFAULT_LIMITS = DEFAULT_PROGRAM_POLICY.limits;

/** What a test wants of one account: its purchases, its rows and its books. */
export function cardholderOf(
  tested: ApiUnderTest,
  knex: Knex,
  organizationId: string,
  programId: string,
  account: WorldAccount,
): Cardholder {
  const inside = <T>(work: Parameters<typeof inOrganization<T>>[2]) => inOrganization(knex, organizationId, work);
  const balance = (ref: LedgerAccountRef) => inside((trx) => balanceOf(trx, organizationId, ref));
  const rows = async (table: string, order = 'id') =>
    (await tested.sql.query(`SELECT * FROM ${table} WHERE organization_id = $1 ORDER BY ${order}`, [organizationId]))
      .rows;

  async function sound(): Promise<void> {
    await inside(async (trx) => {
      expect(await recomputeBalances(trx, organizationId)).toEqual([]);
      for (const total of await assetTotals(trx, organizationId)) expect(total.difference).toBe(0n);
    });
    const [row] = await rows('accounts');
    const legs = await rows('funding_legs');
    const heldLoans = legs
      .filter((leg) => leg.kind === 'loan_draw' && leg.hold_transfer_id !== null)
      .reduce(
        (sum, leg) => sum + BigInt(leg.held_amount) - BigInt(leg.posted_amount) - BigInt(leg.released_amount),
        0n,
      );
    expect(BigInt(row.loan_hold)).toBe(heldLoans);
    expect(BigInt(row.overdue_amount)).toBe(await balance(overdueOf(account.accountId)));
  }

  return {
    ...account,
    organizationId,
    programId,
    rows,
    purchase: (details) => new LithicPurchase(tested, account, details),
    async told() {
      const { rows: found } = await tested.sql.query(
        'SELECT type FROM all_events WHERE organization_id = $1 ORDER BY created_at, id',
        [organizationId],
      );
      return found.map((event) => event.type);
    },
    async books(purchase) {
      await sound();
      const authorizations = await rows('authorizations');
      const found = authorizations.find((row) => row.processor_authorization_id === purchase?.token);
      const legs = (await rows('funding_legs')).filter(
        (leg) => found !== undefined && leg.authorization_id === found.id,
      );
      const { rows: counters } = await tested.sql.query(
        'SELECT spend_counters FROM accounts WHERE organization_id = $1 AND id = $2',
        [organizationId, account.accountId],
      );
      const day = counters[0]?.spend_counters?.day ?? [0, '0', 0];
      return {
        state: found?.state ?? null,
        approved: BigInt(found?.approved_amount ?? 0),
        cleared: BigInt(found?.cleared_amount ?? 0),
        reversed: BigInt(found?.reversed_amount ?? 0),
        refunded: BigInt(found?.refunded_amount ?? 0),
        fee: BigInt(found?.fee_amount ?? 0),
        held: legs
          .filter((leg) => leg.hold_transfer_id !== null)
          .reduce((sum, leg) => sum + BigInt(leg.held_usd) - BigInt(leg.posted_usd) - BigInt(leg.released_usd), 0n),
        free: await inside(async (trx) =>
          availableBalance(await countersOfRef(trx, organizationId, fundsOf(account.accountId, 'USDC'))),
        ),
        owedToNetwork: await balance(networkPayableOf(programId)),
        fees: await balance(revenueOf('fees', 'USD')),
        overdue: await balance(overdueOf(account.accountId)),
        counted: [String(day[1]), Number(day[2])],
      };
    },
  };
}
