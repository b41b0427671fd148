import { randomUUID } from 'node:crypto';
import type { Knex } from 'knex';
import type { Client } from 'pg';
import { lockAccount } from '../../services/accounts/account.repository';
import { expireAuthorization } from '../../services/authorizations/expire-authorization';
import { followAuthorization } from '../../services/authorizations/follow-authorization';
import type { CardEventOutcome } from '../../services/authorizations/record-card-event';
import { voidUnheardAuthorization } from '../../services/authorizations/void-unheard-authorization';
import { newId } from '../../services/database/new-id';
import { inOrganization } from '../../services/database/transaction';
import type { FundingSource } from '../../services/funding/rules/funding-policy';
import { collateralOf } from '../../services/ledger/account-refs';
import { postTransactions } from '../../services/ledger/post-transactions';
import { creditDeposit } from '../../services/ledger/templates/record-deposit';
import { DEFAULT_PROGRAM_POLICY, type ProgramPolicy } from '../../services/programs/rules/program-policy';
import type { AuthorizationReply, AuthorizationRequest, CardEvent } from '../../services/providers/processor/port';
import { required } from '../../services/shared/assert';
import type { Clock } from '../../services/shared/clock';
import { ACCOUNTS, CATEGORIES, type Journey, type Move, PURCHASES, type Terms } from './model-journey';
import {
  COINS,
  type Earned,
  type Market,
  type ModelPolicy,
  type PurchaseState,
  type Reply,
  type Source,
  STATUS_CHECK,
  type Standing,
} from './model-spending';
import {
  cardEvent,
  createSpendingWorld,
  deposit,
  purchase,
  type SpendingWorld,
  type WorldAccount,
} from './spending-world';

/** Of all messages alike: which of them is older than a total that was told is a matter of tests of their own. */
const NETWORK_TIME = new Date();
const LTV_BPS = 5_500;
const COLLATERAL = 'WETH';

export interface JourneyDeps {
  readonly superuser: Client;
  readonly superuserUrl: string;
  readonly knex: Knex;
  readonly clock: Clock;
  /** Windows of limits whose counters are compared: left out, all of them, which takes one moment for everything. */
  readonly windows?: readonly string[];
  /** Where messages of the network are brought to: a new one for each journey, and when prices have moved. */
  readonly openDoor: () => Promise<Door>;
}

/** Takes messages of the network in, by way of several processes or what is as good as that. */
export interface Door {
  request(request: AuthorizationRequest): Promise<Reply>;
  event(event: CardEvent): Promise<CardEventOutcome['kind']>;
  close(): Promise<void>;
}

/** What was sent: to be sent again, as it was or with another amount. */
type Sent =
  | { readonly kind: 'request'; readonly request: AuthorizationRequest }
  | { readonly kind: 'event'; readonly event: CardEvent };

/** What came of sending something: an answer to a request, or how an event was taken. Null for what is no message. */
export type Outcome = { readonly reply: Reply } | { readonly recorded: CardEventOutcome['kind'] } | null;

export function modelPolicy({ sources, places, fees, bufferBps, atOnce }: Terms, limit: bigint | null): ModelPolicy {
  return {
    sources,
    shops: places.map(({ category, foreign, cash }) => ({ ...CATEGORIES[category], foreign, cash })),
    fees,
    bufferBps,
    ltvBps: BigInt(LTV_BPS),
    atOnce,
    limit,
  };
}

function programPolicy({ fees, bufferBps, atOnce }: Terms, limit: bigint | null): Partial<ProgramPolicy> {
  return {
    stablecoins: COINS,
    funding_at: atOnce ? 'authorization' : 'clearing',
    partial_approvals: true,
    hold_allowance_bps: {
      restaurants: Number(CATEGORIES.restaurant.allowanceBps),
      hotels: Number(CATEGORIES.hotel.allowanceBps),
    },
    hold_fixed_amount: {
      automated_fuel: { up_to: STATUS_CHECK.upTo.toString(), hold: STATUS_CHECK.hold.toString() },
    },
    conversion_buffer_bps: Number(bufferBps),
    foreign_currency_fee_bps: Number(fees.foreignBps),
    cash_withdrawal_fee: { fixed: fees.cashFixed.toString(), bps: Number(fees.cashBps), cashback: fees.till },
    limits: limit === null ? {} : { day_amount: limit.toString() },
    credit: {
      ...DEFAULT_PROGRAM_POLICY.credit,
      collateral: {
        [COLLATERAL]: { ltv_bps: LTV_BPS, liquidation_threshold_bps: 7_500, liquidation_bonus_bps: 350 },
      },
    },
  };
}

function fundingSource(source: Source): FundingSource {
  return source === 'loan'
    ? { kind: 'loan', ltvMaxBps: null }
    : { kind: 'stablecoin', asset: required(COINS[source], 'coin'), keep: 0n };
}

/** The product in an organization of its own, made to live through a journey. */
export class JourneyWorld {
  readonly sent: Sent[] = [];
  private policyVersion = 1;
  private runOut = 0;
  /** Messages whose answer was never heard: it is another one from then on. */
  private readonly givenUp = new Set<string>();

  private constructor(
    private readonly deps: JourneyDeps,
    readonly world: SpendingWorld,
    private readonly terms: Terms,
    /** The processor's id of each purchase. */
    private readonly purchaseIds: readonly string[],
    private door: Door,
  ) {}

  static async open(deps: JourneyDeps, journey: Journey): Promise<JourneyWorld> {
    const { terms, limit, market, owns } = journey;
    const world = await createSpendingWorld(deps.superuserUrl, {
      accounts: ACCOUNTS,
      policy: programPolicy(terms, limit),
      fundingPolicy: { mode: 'custom', sources: terms.sources.map(fundingSource) },
      credit: terms.sources.includes('loan'),
    });
    await setPrices(deps.superuser, market);
    const opened = new JourneyWorld(
      deps,
      world,
      terms,
      Array.from({ length: PURCHASES }, () => randomUUID()),
      await deps.openDoor(),
    );
    for (const [account, { tokens, pledged }] of owns.entries()) {
      for (const [coin, amount] of tokens.entries()) if (amount > 0n) await opened.deposit(account, coin, amount);
      if (pledged > 0n) await opened.pledge(account, pledged);
    }
    return opened;
  }

  async close(): Promise<void> {
    await this.door.close();
  }

  async changeLimit(limit: bigint | null): Promise<void> {
    const { organizationId, programId } = this.world;
    this.policyVersion += 1;
    const document = JSON.stringify({ ...DEFAULT_PROGRAM_POLICY, ...programPolicy(this.terms, limit) });
    await this.deps.superuser.query(
      'INSERT INTO program_policies (organization_id, program_id, version, document) VALUES ($1, $2, $3, $4)',
      [organizationId, programId, this.policyVersion, document],
    );
    await this.deps.superuser.query('UPDATE programs SET policy_version = $3 WHERE organization_id = $1 AND id = $2', [
      organizationId,
      programId,
      this.policyVersion,
    ]);
  }

  /** Prices move, and whoever remembers them for a moment has forgotten them. */
  async movePrices(market: Market): Promise<void> {
    await setPrices(this.deps.superuser, market);
    await this.door.close();
    this.door = await this.deps.openDoor();
  }

  /** Makes something happen, and remembers the message it came by. */
  async happen({ account, what }: Move): Promise<Outcome> {
    switch (what.kind) {
      case 'deposit':
        await this.deposit(account, what.coin, what.tokens);
        return null;
      case 'unheard':
        await this.giveUp(what.purchase);
        return null;
      case 'look':
        await this.lookAt(what.purchase);
        return null;
      case 'expiry':
        if (what.by === 'network') return this.send(this.event(account, what.purchase, 'expiry', 0n));
        await this.letRunOut(what.purchase);
        return null;
      default:
        return this.send(this.messageOf({ account, what }));
    }
  }

  /** The message that a move comes by; null when it comes by none. */
  messageOf({ account, what }: Move): Sent {
    switch (what.kind) {
      case 'authorization':
        return this.request(account, what.purchase, what.cents, {
          partialApprovalAllowed: what.partial,
          ...this.tillCash(what.purchase, what.cents),
        });
      case 'increment':
        return this.request(account, what.purchase, what.cents, { amountBasis: what.basis });
      case 'late':
        return this.request(account, what.purchase, what.cents, {
          ...this.tillCash(what.purchase, what.cents),
          respondBy: new Date(this.deps.clock.now().getTime() - 1),
        });
      case 'inquiry':
        return this.request(account, null, 0n, { kind: 'balance_inquiry' });
      case 'verification':
        return this.request(account, null, 0n, { kind: 'zero_amount_verification' });
      case 'refund_authorization':
        return this.request(account, null, what.cents, { kind: 'refund_authorization' });
      case 'advice':
        return this.event(account, what.purchase, 'authorization_advice', what.cents);
      case 'clearing':
        return this.event(account, what.purchase, 'clearing', what.cents, { final: what.final });
      case 'reversal':
        return this.event(account, what.purchase, 'reversal', what.cents);
      case 'expiry':
        return this.event(account, what.purchase, 'expiry', 0n);
      case 'refund':
        return what.purchase === null
          ? this.event(account, null, 'refund', what.cents)
          : this.event(account, what.purchase, 'refund', what.cents, {
              originalProcessorAuthorizationId: this.idOf(what.purchase),
            });
      case 'refund_reversal':
        return what.purchase === null
          ? this.event(account, null, 'refund_reversal', what.cents)
          : this.event(account, what.purchase, 'refund_reversal', what.cents, {
              originalProcessorAuthorizationId: this.idOf(what.purchase),
            });
      case 'unheard':
      case 'look':
      case 'deposit':
        throw new Error(`${what.kind} comes by no message`);
    }
  }

  async send(message: Sent): Promise<Outcome> {
    this.sent.push(message);
    return this.deliver(message);
  }

  async deliver(message: Sent): Promise<Outcome> {
    return message.kind === 'event'
      ? { recorded: await this.door.event(message.event) }
      : { reply: await this.door.request(message.request) };
  }

  /** What the network is owed, what is set aside for it, and what fees were earned, on the ledger. */
  async earned(): Promise<Earned> {
    const { rows } = await this.deps.superuser.query<{ type: string; balance: bigint }>(
      `SELECT a.type, coalesce(sum(CASE WHEN t.credit_account_id = a.id THEN t.amount ELSE -t.amount END), 0) AS balance
       FROM ledger_accounts a JOIN ledger_transfers t ON t.organization_id = a.organization_id AND t.kind IN ('posted', 'post_pending')
         AND a.id IN (t.debit_account_id, t.credit_account_id)
       WHERE a.organization_id = $1 AND a.type IN ('network.payable', 'network.reserved', 'revenue.fees') GROUP BY a.type`,
      [this.world.organizationId],
    );
    const of = (type: string) => BigInt(rows.find((row) => row.type === type)?.balance ?? 0n);
    return { owed: of('network.payable'), fees: of('revenue.fees'), reserved: of('network.reserved') };
  }

  /** The accounts as they stand, in the model's words. */
  async standings(): Promise<readonly Standing[]> {
    const { organizationId, accounts } = this.world;
    const found = await this.deps.superuser.query<AccountRow>(
      `SELECT a.id, a.overdue_amount AS overdue, a.spend_counters AS account_counters, a.loan_hold, a.loan_unconfirmed,
         (SELECT coalesce(sum(l.posted_debits - l.posted_credits), 0) FROM ledger_accounts l
           WHERE l.organization_id = a.organization_id AND l.account_id = a.id AND l.type = 'cardholder.loan') AS lent,
         (SELECT windows FROM limit_counters c WHERE c.organization_id = a.organization_id AND c.scope_id <> a.id AND c.account_id = a.id)
           AS card_counters,
         ARRAY(SELECT coalesce(l.posted_credits - l.posted_debits, 0)::text || ' ' || coalesce(l.pending_debits, 0)
           FROM unnest($2::text[]) WITH ORDINALITY AS coin(asset, n) LEFT JOIN ledger_accounts l ON l.organization_id = a.organization_id
             AND l.account_id = a.id AND l.type = 'cardholder.funds' AND l.asset = coin.asset ORDER BY coin.n) AS purse
       FROM accounts a WHERE a.organization_id = $1`,
      [organizationId, COINS],
    );
    const purchases = await this.deps.superuser.query<PurchaseRow>(
      `SELECT a.account_id, a.processor_authorization_id, a.state, a.approved_amount AS approved, a.cleared_amount AS cleared,
         a.reversed_amount AS reversed, a.refunded_amount AS refunded, a.reserved_amount AS reserved, h.cents, h.tokens
       FROM authorizations a CROSS JOIN LATERAL (
         SELECT coalesce(sum(held_usd - posted_usd - released_usd), 0) AS cents,
           coalesce(sum(held_amount - posted_amount - released_amount), 0) AS tokens
         FROM funding_legs l WHERE l.organization_id = a.organization_id AND l.authorization_id = a.id AND l.hold_transfer_id IS NOT NULL
       ) h WHERE a.organization_id = $1`,
      [organizationId],
    );
    return accounts.map(({ accountId }) => {
      const row = required(
        found.rows.find(({ id }) => id === accountId),
        'account',
      );
      const { spent, count } = countersOf(row, this.deps.windows ?? WINDOWS);
      const standing = purchases.rows.flatMap((each) => {
        const number = this.purchaseIds.indexOf(each.processor_authorization_id);
        if (each.account_id !== accountId || number === -1) return [];
        const { state, approved, cleared, reversed, refunded, reserved, cents, tokens } = each;
        return [
          [number, { state, approved, cleared, reversed, refunded, reserved, heldCents: cents, heldTokens: tokens }],
        ] as const;
      });
      const purse = row.purse.map((coin) => coin.split(' ').map(BigInt));
      const tokens = purse.map(([all]) => all ?? 0n);
      const held = purse.map(([, held]) => held ?? 0n);
      const { overdue, loan_hold: loanHeld, loan_unconfirmed: unconfirmed, lent } = row;
      // Nothing reaches the chain here, so that all that is lent has yet to be confirmed.
      if (unconfirmed !== lent) throw new Error(`${lent} are lent, and ${unconfirmed} are not confirmed`);
      const numbered = Object.fromEntries(standing);
      return { tokens, held, loanHeld, lent, overdue, spent, count, purchases: numbered };
    });
  }

  /** Whether the answer to a message was taken back, because nobody had heard it. */
  isGivenUp(message: Sent): boolean {
    return message.kind === 'request' && this.givenUp.has(message.request.messageId);
  }

  private idOf(number: number): string {
    return required(this.purchaseIds[number], `purchase ${number}`);
  }

  private holder(account: number): WorldAccount {
    return required(this.world.accounts[account], `account ${account}`);
  }

  /** Half of what is asked for. */
  private tillCash(number: number, cents: bigint): Partial<AuthorizationRequest> {
    return this.terms.places[number]?.cash === 'till' ? { cashAmount: cents / 2n } : {};
  }

  private request(
    account: number,
    number: number | null,
    cents: bigint,
    overrides: Partial<AuthorizationRequest>,
  ): Sent {
    return { kind: 'request', request: this.asked(account, number, cents, overrides) };
  }

  private asked(
    account: number,
    number: number | null,
    cents: bigint,
    overrides: Partial<AuthorizationRequest> = {},
  ): AuthorizationRequest {
    const place = number === null ? undefined : required(this.terms.places[number], `place of ${number}`);
    const { mcc } = CATEGORIES[place?.category ?? 'grocer'];
    return purchase(this.holder(account), cents, {
      amountBasis: 'delta',
      merchant: { id: `M-${mcc}`, name: 'A merchant', city: 'Berlin', country: 'DEU', mcc },
      occurredAt: NETWORK_TIME,
      ...(number === null ? {} : { processorAuthorizationId: this.idOf(number) }),
      ...(place?.foreign ? { merchantCurrency: 'EUR' } : {}),
      ...(place?.cash === 'machine' ? { kind: 'cash_withdrawal', channel: 'atm', cashAmount: cents } : {}),
      ...overrides,
    });
  }

  private event(
    account: number,
    number: number | null,
    kind: CardEvent['kind'],
    cents: bigint,
    overrides: Partial<CardEvent> = {},
  ): Sent {
    const event = cardEvent(this.asked(account, number, cents), kind, { effectiveAt: NETWORK_TIME, ...overrides });
    return { kind: 'event', event };
  }

  private async pledge(account: number, amount: bigint): Promise<void> {
    const { organizationId } = this.world;
    await deposit(this.deps.superuser, organizationId, [this.holder(account)], COLLATERAL, amount, (accountId) =>
      collateralOf(accountId, COLLATERAL),
    );
  }

  private async deposit(account: number, coin: number, tokens: bigint): Promise<void> {
    const { organizationId } = this.world;
    const { accountId } = this.holder(account);
    await inOrganization(this.deps.knex, organizationId, async (trx) => {
      await lockAccount(trx, organizationId, accountId);
      await postTransactions(trx, organizationId, [
        creditDeposit({
          depositId: newId(),
          accountId,
          asset: required(COINS[coin], 'coin'),
          amount: tokens,
          effectiveAt: new Date(),
        }),
      ]);
    });
  }

  private async authorizationId(number: number): Promise<string | null> {
    const { rows } = await this.deps.superuser.query<{ id: string }>(
      'SELECT id FROM authorizations WHERE organization_id = $1 AND processor_authorization_id = $2',
      [this.world.organizationId, this.idOf(number)],
    );
    return rows[0]?.id ?? null;
  }

  /** Its time is up, and we notice. */
  private async letRunOut(number: number): Promise<void> {
    const authorizationId = await this.authorizationId(number);
    if (authorizationId === null) return;
    this.runOut += 1;
    await this.deps.superuser.query(
      'UPDATE authorizations SET expires_at = $2 WHERE id = $1 AND expires_at IS NOT NULL',
      [authorizationId, new Date(this.deps.clock.now().getTime() - 1_000 + this.runOut)],
    );
    await expireAuthorization(this.deps, { organizationId: this.world.organizationId, authorizationId });
  }

  /** As its workflow does, when it is woken. */
  private async lookAt(number: number): Promise<void> {
    const authorizationId = await this.authorizationId(number);
    if (authorizationId === null) return;
    await followAuthorization(this.deps, { organizationId: this.world.organizationId, authorizationId }, 0);
  }

  private async giveUp(number: number): Promise<void> {
    const authorizationId = await this.authorizationId(number);
    if (authorizationId === null) return;
    const { organizationId } = this.world;
    const { kind } = await voidUnheardAuthorization(this.deps, {
      organizationId,
      authorizationId,
      standing: 'not_recorded',
    });
    if (kind !== 'voided') return;
    const { rows } = await this.deps.superuser.query<{ message_id: string }>(
      'SELECT message_id FROM authorizations WHERE organization_id = $1 AND id = $2',
      [organizationId, authorizationId],
    );
    for (const { message_id } of rows) this.givenUp.add(message_id);
  }
}

/** The same id with another amount, as a mistake or a fraud would have it. */
export function tampered(message: Sent): Sent {
  return message.kind === 'request'
    ? {
        kind: 'request',
        request: { ...message.request, amount: message.request.amount + 1n, contentHash: `other-${randomUUID()}` },
      }
    : {
        kind: 'event',
        event: { ...message.event, amount: message.event.amount + 1n, contentHash: `other-${randomUUID()}` },
      };
}

async function setPrices(superuser: Client, { coins, collateral }: Market): Promise<void> {
  const prices = [
    ...coins.map((price, coin) => [required(COINS[coin], 'coin'), price] as const),
    [COLLATERAL, collateral] as const,
  ];
  await superuser.query(
    `UPDATE asset_prices p SET price_usd_e8 = w.price FROM unnest($1::text[], $2::numeric[]) AS w(asset, price) WHERE p.asset = w.asset`,
    [prices.map(([asset]) => asset), prices.map(([, price]) => price.toString())],
  );
}

interface AccountRow {
  readonly id: string;
  readonly overdue: bigint;
  readonly loan_hold: bigint;
  readonly loan_unconfirmed: bigint;
  readonly lent: bigint;
  readonly account_counters: Readonly<Record<string, unknown>> | null;
  readonly card_counters: Readonly<Record<string, unknown>> | null;
  /** `all held` of each coin. */
  readonly purse: readonly string[];
}

interface PurchaseRow {
  readonly account_id: string;
  readonly processor_authorization_id: string;
  readonly state: PurchaseState;
  readonly approved: bigint;
  readonly cleared: bigint;
  readonly reversed: bigint;
  readonly refunded: bigint;
  readonly reserved: bigint;
  readonly cents: bigint;
  readonly tokens: bigint;
}

const WINDOWS = ['day', 'week', 'month', 'year', 'all_time'];

/** What all windows of the account and of its card say; they must agree, because everything happens within one moment. */
function countersOf(row: AccountRow, windows: readonly string[]): { readonly spent: bigint; readonly count: number } {
  const said = new Set<string>();
  for (const counters of [row.account_counters, row.card_counters]) {
    for (const window of windows) {
      const stored = counters?.[window];
      said.add(Array.isArray(stored) ? `${stored[1]} in ${stored[2]}` : '0 in 0');
    }
  }
  const [only, ...others] = said;
  if (only === undefined || others.length > 0) throw new Error(`the windows disagree: ${[...said].join('; ')}`);
  const [spent, count] = only.split(' in ');
  return { spent: BigInt(spent ?? '0'), count: Number(count) };
}

export function toReply(reply: AuthorizationReply): Reply {
  return { outcome: reply.outcome, approved: reply.approvedAmount, reason: reply.declineReason };
}
