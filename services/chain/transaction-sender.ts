import type { Knex } from 'knex';
import { getAddress, TransactionNotFoundError, type TransactionReceipt } from 'viem';
import { inOrganization, type Transaction } from '../database/transaction';
import type { Custody, Hex } from '../providers/custody/port';
import { InvariantError, invariant, required, unreachable } from '../shared/assert';
import type { Clock } from '../shared/clock';
import { basisPointsRoundUp } from '../shared/rounding';
import { findBlock, findReceipt } from './chain-reader';
import type { ChainClient } from './clients';
import { isNodeError, nodeMessage, revertReason } from './node-error';
import type { ChainCall, ChainCallOutcome, ChainReceipt, ChainTransactionSender } from './port';
import { type BroadcastRefusal, classifyBroadcastRefusal } from './rules/broadcast-refusal';
import { type IntentEvent, next } from './rules/chain-intent-state';
import { isConfirmed, newestConfirmedBlock } from './rules/confirmations';
import { type FeeMarket, type FeePolicy, type Fees, firstFees, replacementFees } from './rules/fees';
import {
  findAttempts,
  findIntent,
  findIntentByNonce,
  findPendingIntents,
  type IntentChange,
  insertAttempt,
  insertIntent,
  lockIntent,
  markAttemptSent,
  type StoredAttempt,
  type StoredIntent,
  takeNonce,
  updateIntent,
} from './transaction-sender.repository';

export interface SenderPolicy {
  /** Blocks, its own included, after which a transaction counts. */
  readonly confirmations: number;
  readonly fees: FeePolicy;
  /** A pending attempt older than this is replaced by one that pays more. */
  readonly replaceAfterMs: number;
  /** Added to the gas estimate, because the state moves between the estimate and the block. */
  readonly gasMarginBps: number;
}

export const DEFAULT_SENDER_POLICY: Omit<SenderPolicy, 'confirmations'> = {
  fees: { minimumPriorityFeePerGas: 1_000_000n, limitFeePerGas: 500_000_000_000n, bumpBps: 1_500 },
  replaceAfterMs: 60_000,
  gasMarginBps: 3_000,
};

export interface SenderDeps {
  /** Pool of the role `app`: one organization for each transaction. */
  readonly database: Knex;
  /** Pool of the role `worker`, for {@link ChainTransactionSender.pendingIntents} over all organizations. */
  readonly scanDatabase?: Knex;
  readonly client: ChainClient;
  readonly custody: Custody;
  readonly clock: Clock;
  readonly policy: SenderPolicy;
}

/** Pending intents given out at once. */
const SCAN_LIMIT = 500;

const FINAL_STATES: readonly StoredIntent['state'][] = ['confirmed', 'reverted', 'failed'];

/** What differs between the call that is stored under the key and the one submitted, or null. */
function difference(stored: StoredIntent, call: ChainCall, signerAddress: string): string | null {
  if (stored.signerAddress !== signerAddress) return 'signer';
  if (stored.to !== getAddress(call.to)) return 'target';
  if (stored.data !== call.data.toLowerCase()) return 'calldata';
  if (stored.value !== call.value) return 'value';
  return null;
}

function latestOf(attempts: readonly StoredAttempt[]): StoredAttempt {
  return required(attempts.at(-1), 'attempt of a signed intent');
}

function receiptOf(intent: StoredIntent, status: ChainReceipt['status']): ChainReceipt {
  const receipt = required(intent.receipt, 'receipt of a final intent');
  return { ...receipt, status, from: intent.signerAddress };
}

function outcomeOf(intent: StoredIntent, attempts: readonly StoredAttempt[]): ChainCallOutcome {
  switch (intent.state) {
    case 'queued':
    case 'signed':
    case 'broadcast':
      return {
        state: intent.state,
        transactionHash: attempts.at(-1)?.transactionHash ?? null,
        ...(intent.problem === null ? {} : { problem: intent.problem }),
      };
    case 'confirmed':
      return { state: 'confirmed', receipt: receiptOf(intent, 'success') };
    case 'reverted':
      return {
        state: 'reverted',
        receipt: receiptOf(intent, 'reverted'),
        ...(intent.failureDetail === null ? {} : { detail: intent.failureDetail }),
      };
    case 'failed':
      return { state: 'failed', detail: required(intent.failureDetail, 'failure detail') };
    default:
      return unreachable(intent.state);
  }
}

/**
 * The durable sender of decision 0001's stack: an intent's nonce, signed bytes and hash are committed together before any
 * node sees them, so that whatever dies afterwards, only the same bytes, or bytes with the same nonce, are ever sent for it.
 * That makes one intent at most one effect. It keeps nothing in memory; any number of instances may share the database.
 */
export function createTransactionSender(deps: SenderDeps): ChainTransactionSender {
  const { client, custody, clock, policy } = deps;
  const chainId = required(client.chain, 'chain of the client').id;

  function within<T>(organizationId: string, work: (trx: Transaction) => Promise<T>): Promise<T> {
    return inOrganization(deps.database, organizationId, work);
  }

  async function load(organizationId: string, intentKey: string) {
    return within(organizationId, async (trx) => ({
      intent: required(await findIntent(trx, organizationId, intentKey), `chain intent ${intentKey}`),
      attempts: await findAttempts(trx, organizationId, intentKey),
    }));
  }

  async function currentOutcome(intent: Pick<StoredIntent, 'organizationId' | 'intentKey'>): Promise<ChainCallOutcome> {
    const { intent: stored, attempts } = await load(intent.organizationId, intent.intentKey);
    return outcomeOf(stored, attempts);
  }

  /** Applies an event under the intent's lock. An event that no longer fits means that someone else was faster. */
  async function apply(intent: StoredIntent, event: IntentEvent, change: IntentChange = {}): Promise<ChainCallOutcome> {
    await within(intent.organizationId, async (trx) => {
      const locked = await lockIntent(trx, intent.organizationId, intent.intentKey);
      const transition = next(locked.state, event);
      if (transition.kind === 'refused') {
        if (event.kind === 'refusedUnsigned') return;
        throw new InvariantError(`chain intent ${intent.intentKey}: ${transition.reason}`);
      }
      if (transition.kind === 'alreadyApplied' && FINAL_STATES.includes(locked.state)) return;
      await updateIntent(
        trx,
        intent.organizationId,
        intent.intentKey,
        { ...change, state: transition.state },
        clock.now(),
      );
    });
    return currentOutcome(intent);
  }

  /** Notes why nothing moves (null: all is well), so that an operator can see it, and that the intent was looked at. */
  async function note(intent: StoredIntent, problem: string | null): Promise<ChainCallOutcome> {
    await within(intent.organizationId, async (trx) => {
      const locked = await lockIntent(trx, intent.organizationId, intent.intentKey);
      if (!FINAL_STATES.includes(locked.state)) {
        await updateIntent(trx, intent.organizationId, intent.intentKey, { problem }, clock.now());
      }
    });
    return currentOutcome(intent);
  }

  async function feeMarket(): Promise<FeeMarket> {
    const [block, suggestedPriorityFeePerGas] = await Promise.all([
      client.getBlock({ blockTag: 'latest' }),
      client.estimateMaxPriorityFeePerGas(),
    ]);
    return { baseFeePerGas: required(block.baseFeePerGas, 'base fee of the head'), suggestedPriorityFeePerGas };
  }

  function withMargin(gas: bigint): bigint {
    return gas + basisPointsRoundUp(gas, policy.gasMarginBps);
  }

  /** Queued → signed, or failed with no nonce used. */
  async function prepare(intent: StoredIntent): Promise<ChainCallOutcome> {
    const { organizationId, intentKey, signerAddress, to, data, value } = intent;
    let gas: bigint;
    try {
      // On pending state: what we sent before and what waits with it counts.
      gas = withMargin(await client.estimateGas({ account: signerAddress, to, data, value, blockTag: 'pending' }));
    } catch (error) {
      const reason = revertReason(error);
      if (reason !== null) {
        return apply(intent, { kind: 'refusedUnsigned' }, { failureDetail: `would revert: ${reason}`, problem: null });
      }
      if (!isNodeError(error)) throw error;
      return note(intent, `gas can't be estimated: ${nodeMessage(error)}`);
    }

    let fees: Fees;
    let chainNonce: number;
    let balance: bigint;
    try {
      const [market, used, native] = await Promise.all([
        feeMarket(),
        client.getTransactionCount({ address: signerAddress, blockTag: 'latest' }),
        client.getBalance({ address: signerAddress, blockTag: 'latest' }),
      ]);
      fees = firstFees(market, policy.fees);
      chainNonce = used;
      balance = native;
    } catch (error) {
      if (!isNodeError(error)) throw error;
      return note(intent, `the node can't be asked: ${nodeMessage(error)}`);
    }
    const needed = gas * fees.maxFeePerGas + value;
    // Signing without gas money would take a nonce that no later call of this wallet could pass.
    if (balance < needed) return note(intent, `${signerAddress} has ${balance} wei and needs ${needed} to send this`);

    const attempt = await within(organizationId, async (trx) => {
      const locked = await lockIntent(trx, organizationId, intentKey);
      if (locked.state !== 'queued') return null;
      const now = clock.now();
      const nonce = await takeNonce(trx, intent, chainNonce, now);
      const signed = await custody.signTransaction(intent.signer, {
        chainId,
        nonce,
        to,
        data,
        value,
        gas,
        ...fees,
      });
      const first = {
        attemptNumber: 1,
        kind: 'call' as const,
        transactionHash: signed.hash,
        raw: signed.raw,
        ...fees,
        signedAt: now,
      };
      await updateIntent(trx, organizationId, intentKey, { state: 'signed', nonce, gasLimit: gas, problem: null }, now);
      await insertAttempt(trx, organizationId, intentKey, first);
      return { ...first, sentAt: null };
    });
    return attempt === null ? currentOutcome(intent) : send({ ...intent, state: 'signed', gasLimit: gas }, attempt);
  }

  async function offer(raw: Hex): Promise<{ readonly refusal: BroadcastRefusal | null; readonly message: string }> {
    try {
      await client.request({ method: 'eth_sendRawTransaction', params: [raw] });
      return { refusal: null, message: '' };
    } catch (error) {
      const message = nodeMessage(error);
      return { refusal: classifyBroadcastRefusal(message), message };
    }
  }

  async function sent(intent: StoredIntent, attempt: StoredAttempt): Promise<ChainCallOutcome> {
    await within(intent.organizationId, (trx) =>
      markAttemptSent(trx, intent.organizationId, intent.intentKey, attempt.attemptNumber, clock.now()),
    );
    return apply(intent, { kind: 'sent' }, { problem: null });
  }

  /** Offers stored bytes to the node. Sending the same bytes twice is harmless, whatever became of the first time. */
  async function send(intent: StoredIntent, attempt: StoredAttempt): Promise<ChainCallOutcome> {
    const { refusal, message } = await offer(attempt.raw);
    switch (refusal) {
      case null:
      case 'known':
        return sent(intent, attempt);
      case 'nonce_used':
      case 'rival_pending':
        // One of our attempts, as a rule; observing tells by hash.
        return apply(intent, { kind: 'sent' }, { problem: null });
      case 'fee_too_low':
        return replace(intent, attempt);
      case 'never_valid':
        if (attempt.kind === 'call') return giveUp(intent, attempt, `the node will never take it: ${message}`);
        return note(intent, `the cancelling transaction is refused: ${message}`);
      case 'no_gas_money':
      case 'unclear':
        return note(intent, message);
      default:
        return unreachable(refusal);
    }
  }

  async function cancelGas(intent: StoredIntent): Promise<bigint> {
    const { signerAddress } = intent;
    return withMargin(await client.estimateGas({ account: signerAddress, to: signerAddress, value: 0n }));
  }

  /** Signs a further attempt at the same nonce that pays more, stores it, and sends it. Earlier attempts may still land. */
  async function replace(intent: StoredIntent, latest: StoredAttempt): Promise<ChainCallOutcome> {
    const { organizationId, intentKey, signerAddress } = intent;
    const kind = intent.cancelReason === null ? 'call' : 'cancel';
    let fees: Fees | null;
    let gas: bigint;
    try {
      fees = replacementFees(latest, await feeMarket(), policy.fees);
      gas = kind === 'cancel' ? await cancelGas(intent) : required(intent.gasLimit, 'gas limit');
    } catch (error) {
      if (!isNodeError(error)) throw error;
      return note(intent, `the node can't be asked: ${nodeMessage(error)}`);
    }
    if (fees === null) return note(intent, 'a replacement would pass the fee limit');
    const raised = fees;

    const attempt = await within(organizationId, async (trx) => {
      const locked = await lockIntent(trx, organizationId, intentKey);
      const attempts = await findAttempts(trx, organizationId, intentKey);
      const overtaken =
        FINAL_STATES.includes(locked.state) || latestOf(attempts).attemptNumber !== latest.attemptNumber;
      if (overtaken) return null;
      const call = { to: locked.to, data: locked.data, value: locked.value };
      const nothing = { to: signerAddress, data: '0x' as const, value: 0n };
      const now = clock.now();
      const signed = await custody.signTransaction(locked.signer, {
        chainId,
        nonce: required(locked.nonce, 'nonce of a signed intent'),
        ...(kind === 'call' ? call : nothing),
        gas,
        ...raised,
      });
      const further = {
        attemptNumber: latest.attemptNumber + 1,
        kind,
        transactionHash: signed.hash,
        raw: signed.raw,
        ...raised,
        signedAt: now,
      } as const;
      await insertAttempt(trx, organizationId, intentKey, further);
      await updateIntent(trx, organizationId, intentKey, { problem: null }, now);
      return { ...further, sentAt: null };
    });
    if (attempt === null) return currentOutcome(intent);
    const { refusal, message } = await offer(attempt.raw);
    if (refusal === null || refusal === 'known') return sent(intent, attempt);
    // It is stored; the next look sends it again or sees what landed.
    return note(intent, message);
  }

  /** From here on only transfers of nothing are signed for the intent's nonce, until one of its attempts is confirmed. */
  async function giveUp(intent: StoredIntent, latest: StoredAttempt, reason: string): Promise<ChainCallOutcome> {
    await within(intent.organizationId, async (trx) => {
      const locked = await lockIntent(trx, intent.organizationId, intent.intentKey);
      if (locked.cancelReason === null) {
        await updateIntent(trx, intent.organizationId, intent.intentKey, { cancelReason: reason }, clock.now());
      }
    });
    return replace({ ...intent, cancelReason: reason }, latest);
  }

  /**
   * Why the mined call reverted; null when the node can't tell. It is run again on the state after its block and, when it
   * passes there, before it: what stood in its way may have come, or gone, in that same block.
   */
  async function minedRevertReason(intent: StoredIntent, receipt: TransactionReceipt): Promise<string | null> {
    for (const blockNumber of [receipt.blockNumber, receipt.blockNumber - 1n]) {
      try {
        await client.call({
          account: intent.signerAddress,
          to: intent.to,
          data: intent.data,
          value: intent.value,
          blockNumber,
        });
      } catch (error) {
        const reason = revertReason(error);
        if (reason !== null) return reason;
      }
    }
    return null;
  }

  async function settle(
    intent: StoredIntent,
    attempt: StoredAttempt,
    receipt: TransactionReceipt,
  ): Promise<ChainCallOutcome> {
    const event = { kind: 'landed', attempt: attempt.kind, status: receipt.status } as const;
    const stored = {
      transactionHash: receipt.transactionHash,
      blockHash: receipt.blockHash,
      blockNumber: receipt.blockNumber,
      gasUsed: receipt.gasUsed,
      effectiveGasPrice: receipt.effectiveGasPrice,
    };
    if (attempt.kind === 'cancel') {
      return apply(intent, event, {
        receipt: stored,
        failureDetail: `given up: ${required(intent.cancelReason, 'reason of a cancel')}`,
        problem: null,
      });
    }
    const reason = receipt.status === 'reverted' ? await minedRevertReason(intent, receipt) : null;
    return apply(intent, event, {
      receipt: stored,
      problem: null,
      ...(reason === null ? {} : { failureDetail: reason }),
    });
  }

  async function isKnown(hash: Hex): Promise<boolean> {
    try {
      await client.getTransaction({ hash });
      return true;
    } catch (error) {
      if (error instanceof TransactionNotFoundError) return false;
      throw error;
    }
  }

  async function findLanded(attempts: readonly StoredAttempt[]) {
    const receipts = await Promise.all(attempts.map((attempt) => findReceipt(client, attempt.transactionHash)));
    for (const [index, receipt] of receipts.entries()) {
      if (receipt) return { attempt: required(attempts[index], 'attempt'), receipt };
    }
    return null;
  }

  /**
   * Looks at the nonce that the chain wants next when it is below ours. A transaction that was called confirmed can be gone by a
   * deeper reorg; no workflow looks at it any more, and everything behind it waits, so its bytes are sent again here.
   */
  async function tendNonceInFront(intent: StoredIntent, wanted: number): Promise<string | null> {
    const front = await within(intent.organizationId, async (trx) => {
      const found = await findIntentByNonce(trx, intent, wanted);
      return found && { ...found, attempts: await findAttempts(trx, found.organizationId, found.intentKey) };
    });
    if (front === null) return `waits for nonce ${wanted} of ${intent.signerAddress}, which no call of ours has`;
    const landed = front.attempts.find((attempt) => attempt.transactionHash === front.receipt?.transactionHash);
    if (!landed) return null;
    await offer(landed.raw);
    return `waits for ${front.intentKey}, which was ${front.state} and is gone from the chain: sent again`;
  }

  /** One look at the chain for an intent that a node has seen. */
  async function observe(intent: StoredIntent, attempts: readonly StoredAttempt[]): Promise<ChainCallOutcome> {
    const latest = latestOf(attempts);
    const nonce = required(intent.nonce, 'nonce of a signed intent');
    const head = await client.getBlockNumber();
    const confirmedBlock = newestConfirmedBlock(head, policy.confirmations);
    // Counted before the receipts are read: a nonce that is used there and has no receipt afterwards is not ours.
    const [usedConfirmed, used] = await Promise.all([
      confirmedBlock === null
        ? 0
        : client.getTransactionCount({ address: intent.signerAddress, blockNumber: confirmedBlock }),
      client.getTransactionCount({ address: intent.signerAddress, blockTag: 'latest' }),
    ]);

    const landed = await findLanded(attempts);
    if (landed) {
      const { attempt, receipt } = landed;
      if (!isConfirmed(receipt.blockNumber, head, policy.confirmations)) return note(intent, null);
      // A receipt can outlive its block; only the block that the chain has at that height now decides.
      const canonical = await findBlock(client, receipt.blockNumber);
      if (canonical?.hash !== receipt.blockHash) return send(intent, latest);
      return settle(intent, attempt, receipt);
    }
    if (usedConfirmed > nonce) {
      return apply(
        intent,
        { kind: 'nonceTaken' },
        {
          failureDetail: `nonce ${nonce} of ${intent.signerAddress} was used by a transaction that is not ours`,
          problem: null,
        },
      );
    }
    if (used > nonce)
      return note(intent, `nonce ${nonce} is used in an unconfirmed block and no attempt has a receipt`);
    const problem = used < nonce ? await tendNonceInFront(intent, used) : null;
    if (!(await isKnown(latest.transactionHash))) return send(intent, latest);
    const waitedMs = clock.now().getTime() - (latest.sentAt ?? latest.signedAt).getTime();
    // Paying more helps only the first in line; the others wait for it.
    if (used === nonce && waitedMs >= policy.replaceAfterMs) return replace(intent, latest);
    return note(intent, problem);
  }

  async function look(
    intent: StoredIntent,
    attempts: readonly StoredAttempt[],
    alsoObserve: boolean,
  ): Promise<ChainCallOutcome> {
    switch (intent.state) {
      case 'queued':
        return prepare(intent);
      case 'signed':
        return send(intent, latestOf(attempts));
      case 'broadcast':
        if (!alsoObserve) return outcomeOf(intent, attempts);
        try {
          return await observe(intent, attempts);
        } catch (error) {
          if (!isNodeError(error)) throw error;
          return note(intent, `the node can't be asked: ${nodeMessage(error)}`);
        }
      default:
        return outcomeOf(intent, attempts);
    }
  }

  return {
    async submit(call) {
      const { organizationId, intentKey } = call;
      const signerAddress = getAddress(await custody.address(call.signer));
      await within(organizationId, async (trx) => {
        const stored = await insertIntent(
          trx,
          {
            organizationId,
            intentKey,
            chainId,
            purpose: call.purpose,
            signer: call.signer,
            signerAddress,
            to: getAddress(call.to),
            data: call.data.toLowerCase() as Hex,
            value: call.value,
          },
          clock.now(),
        );
        const differs = difference(stored, call, signerAddress);
        invariant(differs === null, `chain intent ${intentKey} is known with another ${differs}`);
      });
      const { intent, attempts } = await load(organizationId, intentKey);
      return look(intent, attempts, false);
    },

    async advance(organizationId, intentKey) {
      const { intent, attempts } = await load(organizationId, intentKey);
      return look(intent, attempts, true);
    },

    async cancel(organizationId, intentKey, reason) {
      const { intent, attempts } = await load(organizationId, intentKey);
      if (FINAL_STATES.includes(intent.state)) return outcomeOf(intent, attempts);
      if (intent.state === 'queued') {
        const detail = { failureDetail: `given up: ${reason}`, problem: null };
        const outcome = await apply(intent, { kind: 'refusedUnsigned' }, detail);
        if (outcome.state === 'failed') return outcome;
        const signed = await load(organizationId, intentKey);
        return giveUp(signed.intent, latestOf(signed.attempts), reason);
      }
      return giveUp(intent, latestOf(attempts), reason);
    },

    async restore(organizationId, intentKey) {
      const { intent, attempts } = await load(organizationId, intentKey);
      const known = required(intent.receipt, `receipt of chain intent ${intentKey}`);
      const nonce = required(intent.nonce, 'nonce of a signed intent');
      const head = await client.getBlockNumber();
      const confirmedBlock = newestConfirmedBlock(head, policy.confirmations);
      // As in a look: counted before the receipts are read.
      const usedConfirmed =
        confirmedBlock === null
          ? 0
          : await client.getTransactionCount({ address: intent.signerAddress, blockNumber: confirmedBlock });
      const landed = await findLanded(attempts);
      if (landed) {
        const { blockNumber, blockHash } = landed.receipt;
        const canonical = await findBlock(client, blockNumber);
        if (canonical?.hash === blockHash) {
          return { kind: 'present', blockNumber, confirmed: isConfirmed(blockNumber, head, policy.confirmations) };
        }
      } else if (usedConfirmed > nonce) {
        return { kind: 'lost' };
      }
      const attempt = attempts.find(({ transactionHash }) => transactionHash === known.transactionHash);
      await offer(required(attempt, 'the attempt that had landed').raw);
      return { kind: 'sent_again' };
    },

    async pendingIntents(organizationId) {
      if (organizationId !== undefined) {
        return within(organizationId, (trx) => findPendingIntents(trx, SCAN_LIMIT));
      }
      return findPendingIntents(required(deps.scanDatabase, 'database of the worker role'), SCAN_LIMIT);
    },
  };
}
