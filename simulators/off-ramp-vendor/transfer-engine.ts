import { randomBytes, randomUUID } from 'node:crypto';
import { type Address, getAddress, isAddressEqual } from 'viem';
import type { StateFile } from '../shared/state-file';
import type { WebhookOutbox } from '../shared/webhook-outbox';
import { book } from './bank';
import type { VendorChain } from './chain';
import { toBaseUnits } from './decimals';
import type { VendorState } from './state';
import { moveTo, nextState, payoutOf, pegOf, type Transfer, transferResource } from './transfers';

export interface TokenOnChain {
  readonly address: Address;
  readonly decimals: number;
}

export interface TransferEngineOptions {
  readonly file: StateFile<VendorState>;
  readonly chain: VendorChain;
  /** By the vendor's currency word, e.g. `usdc`. */
  readonly tokens: Readonly<Record<string, TokenOnChain>>;
  readonly confirmations: number;
  /** Milliseconds between two states. */
  readonly stepMs: number;
  /** Bank account behind each external account. */
  readonly bankAccounts: Readonly<Record<string, string>>;
  readonly outbox: () => WebhookOutbox;
}

/** Finished transfers are watched a little longer for tokens that come too late. */
const WATCH_AFTER_END_MS = 600_000;

function isOver(state: string): boolean {
  return state === 'refunded' || state === 'payment_processed';
}

/** Moves transfers along: sees deposits on chain, pays out into the bank, sends returned tokens back. */
export class TransferEngine {
  constructor(private readonly options: TransferEngineOptions) {}

  private get state(): VendorState {
    return this.options.file.value;
  }

  create(input: {
    readonly clientReferenceId: string | null;
    readonly onBehalfOf: string;
    readonly sourceCurrency: string;
    readonly sourceRail: string;
    readonly fromAddress: Address;
    readonly amount: bigint;
    readonly tokenDecimals: number;
    readonly destinationRail: string;
    readonly externalAccountId: string;
    readonly wireMessage: string | null;
  }): Transfer {
    const now = new Date();
    const depositIndex = this.state.nextDepositIndex;
    this.state.nextDepositIndex += 1;
    const plan = this.state.plans.shift() ?? 'pay';
    const transfer: Transfer = {
      id: randomUUID(),
      ...input,
      amount: input.amount.toString(),
      state: 'awaiting_funds',
      plan,
      depositIndex,
      depositAddress: this.options.chain.depositAddress(depositIndex),
      received: '0',
      sourceTxHash: null,
      grossCents: null,
      feeCents: null,
      paidCents: null,
      returnRaw: null,
      returnTxHash: null,
      reason: null,
      nextStepAt: plan === 'cancel' ? Date.now() + this.options.stepMs : null,
      createdAt: now.toISOString(),
      updatedAt: now.toISOString(),
      history: [{ state: 'awaiting_funds', at: now.toISOString() }],
    };
    this.state.transfers[transfer.id] = transfer;
    this.state.order.push(transfer.id);
    this.announce(transfer, 'transfer.created', null);
    return transfer;
  }

  /** Whether anything is left of `amount` after the fee. */
  paysOut(currency: string, amount: bigint, tokenDecimals: number): boolean {
    const { grossCents, feeCents } = payoutOf(amount, tokenDecimals, this.termsOf(currency));
    return grossCents > feeCents;
  }

  /** Sets any state, also one that does not exist, and says so by webhook. */
  setState(transfer: Transfer, state: string): void {
    const former = transfer.state;
    moveTo(transfer, state, new Date());
    this.announce(transfer, 'transfer.updated.status_transitioned', former);
  }

  /** One round: states that are due, then the chain. Saves what changed. */
  async tick(): Promise<void> {
    for (const transfer of this.due()) {
      await this.step(transfer);
      await this.options.file.save();
    }
    await this.scan();
  }

  private due(): Transfer[] {
    const now = Date.now();
    return Object.values(this.state.transfers).filter((one) => one.nextStepAt !== null && one.nextStepAt <= now);
  }

  private async step(transfer: Transfer): Promise<void> {
    if (transfer.state === 'refund_in_flight') return this.refund(transfer);
    const next = nextState(transfer.state, transfer.plan);
    transfer.nextStepAt = null;
    if (next === null) return;
    if (next === 'payment_processed') this.payOut(transfer);
    this.setState(transfer, next);
    if (nextState(next, transfer.plan) !== null) transfer.nextStepAt = Date.now() + this.options.stepMs;
    if (next === 'refund_in_flight') transfer.nextStepAt = Date.now();
  }

  private payOut(transfer: Transfer): void {
    const accountId = this.options.bankAccounts[transfer.externalAccountId];
    if (accountId === undefined || transfer.grossCents === null || transfer.feeCents === null) {
      throw new Error(`transfer ${transfer.id} has no account or no amount to pay out`);
    }
    const cents = BigInt(transfer.grossCents) - BigInt(transfer.feeCents);
    book(
      this.state.bank,
      {
        accountId,
        reference: transfer.wireMessage ?? transfer.id,
        direction: 'credit',
        cents,
        description: `off-ramp payout ${transfer.id}`,
      },
      new Date(),
    );
    transfer.paidCents = cents.toString();
  }

  private async refund(transfer: Transfer): Promise<void> {
    const token = this.options.tokens[transfer.sourceCurrency];
    if (token === undefined) throw new Error(`no token for ${transfer.sourceCurrency}`);
    transfer.nextStepAt = Date.now() + this.options.stepMs;
    if (transfer.returnRaw === null) {
      const signed = await this.options.chain.signReturn({
        index: transfer.depositIndex,
        token: token.address,
        to: getAddress(transfer.fromAddress),
        amount: BigInt(transfer.received),
      });
      transfer.returnRaw = signed.raw;
      transfer.returnTxHash = signed.hash;
      // On disk before it is sent: after a kill the same bytes go out again, never a second transfer.
      await this.options.file.save();
    }
    const outcome = await this.options.chain.outcome(transfer.returnTxHash as `0x${string}`);
    if (outcome === 'pending') return this.options.chain.broadcast(transfer.returnRaw as `0x${string}`);
    transfer.nextStepAt = null;
    this.setState(transfer, outcome === 'success' ? 'refunded' : 'refund_failed');
  }

  /** Reads confirmed blocks once and gives each deposit to its transfer. */
  private async scan(): Promise<void> {
    const recently = new Date(Date.now() - WATCH_AFTER_END_MS).toISOString();
    const waiting = Object.values(this.state.transfers).filter((one) => !isOver(one.state) || one.updatedAt > recently);
    const head = await this.options.chain.head();
    const confirmed = head - BigInt(this.options.confirmations - 1);
    // A head below what was read means another chain: it is read from its start.
    const former = this.state.scannedBlock === null ? null : BigInt(this.state.scannedBlock);
    const from = former === null || head < former ? 0n : former + 1n;
    if (confirmed < from) return;
    if (waiting.length > 0) {
      const byAddress = new Map(waiting.map((one) => [getAddress(one.depositAddress), one]));
      const tokens = Object.values(this.options.tokens).map((token) => token.address);
      const deposits = await this.options.chain.deposits(tokens, [...byAddress.keys()], from, confirmed);
      for (const deposit of deposits) {
        const transfer = byAddress.get(getAddress(deposit.to));
        const key = `${deposit.transactionHash}:${deposit.to}`;
        if (transfer === undefined || this.state.seenDeposits[key]) continue;
        this.state.seenDeposits[key] = true;
        this.receive(transfer, deposit);
      }
    }
    this.state.scannedBlock = confirmed.toString();
    await this.options.file.save();
  }

  private receive(
    transfer: Transfer,
    deposit: {
      readonly token: Address;
      readonly from: Address;
      readonly amount: bigint;
      readonly transactionHash: string;
    },
  ): void {
    const token = this.options.tokens[transfer.sourceCurrency];
    const expected =
      (transfer.state === 'awaiting_funds' || transfer.state === 'canceled') &&
      token !== undefined &&
      isAddressEqual(token.address, deposit.token);
    if (!expected) {
      const { transactionHash, amount } = deposit;
      this.state.unmatchedDeposits.push({ transferId: transfer.id, transactionHash, amount: amount.toString() });
      return;
    }
    transfer.received = deposit.amount.toString();
    transfer.sourceTxHash = deposit.transactionHash;
    transfer.nextStepAt = Date.now() + this.options.stepMs;
    const { grossCents, feeCents } = payoutOf(
      deposit.amount,
      transfer.tokenDecimals,
      this.termsOf(transfer.sourceCurrency),
    );
    transfer.grossCents = grossCents.toString();
    transfer.feeCents = feeCents.toString();
    if (transfer.state === 'canceled') {
      transfer.reason = 'funds came after the transfer was canceled';
      this.setState(transfer, 'returned');
    } else if (
      deposit.amount.toString() !== transfer.amount ||
      !isAddressEqual(deposit.from, getAddress(transfer.fromAddress))
    ) {
      transfer.reason = 'amount or sender is not the one announced';
      transfer.plan = 'stick';
      this.setState(transfer, 'in_review');
    } else {
      this.setState(transfer, 'funds_received');
    }
  }

  private termsOf(currency: string): { readonly rateE9: bigint; readonly feeBps: number } {
    const { feeBps, dollarTokenRateE9, usdEur } = this.state.settings;
    if (pegOf(currency) === 'usd') return { rateE9: BigInt(dollarTokenRateE9), feeBps };
    const sellE9 = toBaseUnits(usdEur.sell, 9) ?? 1_000_000_000n;
    return { rateE9: (1_000_000_000n * 1_000_000_000n) / sellE9, feeBps };
  }

  private announce(transfer: Transfer, type: string, former: string | null): void {
    this.state.eventSequence += 1;
    const id = `wh_${randomBytes(16).toString('base64url')}`;
    const body = JSON.stringify({
      api_version: 'v0',
      event_id: id,
      event_developer_id: 'simulator',
      event_sequence: this.state.eventSequence,
      event_category: 'transfer',
      event_type: type,
      event_object_id: transfer.id,
      event_object_status: transfer.state,
      event_object: transferResource(transfer),
      event_object_changes: former === null ? {} : { state: [former, transfer.state] },
      event_created_at: new Date().toISOString(),
    });
    this.options.outbox().add({ id, type, body });
  }
}
