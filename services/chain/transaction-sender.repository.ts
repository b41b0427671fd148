import type { Knex } from 'knex';
import { z } from 'zod';
import type { Transaction } from '../database/transaction';
import type { Hex, SignerPath } from '../providers/custody/port';
import { required } from '../shared/assert';
import type { Address, PendingIntent } from './port';
import type { IntentState } from './rules/chain-intent-state';

/** The receipt's figures as stored with a final intent. `gasCost` in wei. */
export interface StoredReceipt {
  readonly transactionHash: Hex;
  readonly blockHash: Hex;
  readonly blockNumber: bigint;
  readonly gasUsed: bigint;
  readonly effectiveGasPrice: bigint;
}

export interface StoredIntent {
  readonly organizationId: string;
  readonly intentKey: string;
  readonly chainId: number;
  readonly purpose: string;
  readonly signer: SignerPath;
  readonly signerAddress: Address;
  readonly to: Address;
  readonly data: Hex;
  readonly value: bigint;
  readonly state: IntentState;
  readonly nonce: number | null;
  readonly gasLimit: bigint | null;
  readonly problem: string | null;
  readonly cancelReason: string | null;
  readonly failureDetail: string | null;
  readonly receipt: StoredReceipt | null;
}

export interface StoredAttempt {
  readonly attemptNumber: number;
  readonly kind: 'call' | 'cancel';
  readonly transactionHash: Hex;
  readonly raw: Hex;
  readonly maxFeePerGas: bigint;
  readonly maxPriorityFeePerGas: bigint;
  readonly signedAt: Date;
  readonly sentAt: Date | null;
}

const signerSchema = z.discriminatedUnion('purpose', [
  z.object({ purpose: z.literal('operating'), organizationIndex: z.int() }),
  z.object({ purpose: z.literal('treasury'), organizationIndex: z.int() }),
  z.object({ purpose: z.literal('account'), organizationIndex: z.int(), accountIndex: z.int() }),
]);

interface IntentRow {
  readonly organization_id: string;
  readonly intent_key: string;
  readonly chain_id: bigint;
  readonly purpose: string;
  readonly signer: unknown;
  readonly signer_address: Address;
  readonly to_address: Address;
  readonly call_data: Hex;
  readonly call_value: bigint;
  readonly state: IntentState;
  readonly nonce: bigint | null;
  readonly gas_limit: bigint | null;
  readonly problem: string | null;
  readonly cancel_reason: string | null;
  readonly failure_detail: string | null;
  readonly transaction_hash: Hex | null;
  readonly block_hash: Hex | null;
  readonly block_number: bigint | null;
  readonly gas_used: bigint | null;
  readonly effective_gas_price: bigint | null;
}

interface AttemptRow {
  readonly attempt_number: number;
  readonly kind: 'call' | 'cancel';
  readonly transaction_hash: Hex;
  readonly raw_transaction: Hex;
  readonly max_fee_per_gas: bigint;
  readonly max_priority_fee_per_gas: bigint;
  readonly signed_at: Date;
  readonly sent_at: Date | null;
}

function toReceipt(row: IntentRow): StoredReceipt | null {
  if (row.transaction_hash === null) return null;
  return {
    transactionHash: row.transaction_hash,
    blockHash: required(row.block_hash, 'block hash'),
    blockNumber: required(row.block_number, 'block number'),
    gasUsed: required(row.gas_used, 'gas used'),
    effectiveGasPrice: required(row.effective_gas_price, 'gas price'),
  };
}

function toIntent(row: IntentRow): StoredIntent {
  return {
    organizationId: row.organization_id,
    intentKey: row.intent_key,
    chainId: Number(row.chain_id),
    purpose: row.purpose,
    signer: signerSchema.parse(row.signer),
    signerAddress: row.signer_address,
    to: row.to_address,
    data: row.call_data,
    value: row.call_value,
    state: row.state,
    nonce: row.nonce === null ? null : Number(row.nonce),
    gasLimit: row.gas_limit,
    problem: row.problem,
    cancelReason: row.cancel_reason,
    failureDetail: row.failure_detail,
    receipt: toReceipt(row),
  };
}

function toAttempt(row: AttemptRow): StoredAttempt {
  return {
    attemptNumber: row.attempt_number,
    kind: row.kind,
    transactionHash: row.transaction_hash,
    raw: row.raw_transaction,
    maxFeePerGas: row.max_fee_per_gas,
    maxPriorityFeePerGas: row.max_priority_fee_per_gas,
    signedAt: row.signed_at,
    sentAt: row.sent_at,
  };
}

/** Stores a queued intent unless its key is known, and returns what is stored under the key. */
export async function insertIntent(
  trx: Transaction,
  intent: Omit<StoredIntent, 'state' | 'nonce' | 'gasLimit' | 'problem' | 'cancelReason' | 'failureDetail' | 'receipt'>,
  now: Date,
): Promise<StoredIntent> {
  await trx('chain_intents')
    .insert({
      organization_id: intent.organizationId,
      intent_key: intent.intentKey,
      chain_id: intent.chainId,
      purpose: intent.purpose,
      signer: JSON.stringify(intent.signer),
      signer_address: intent.signerAddress,
      to_address: intent.to,
      call_data: intent.data,
      call_value: intent.value.toString(),
      state: 'queued',
      created_at: now,
      updated_at: now,
    })
    .onConflict(['organization_id', 'intent_key'])
    .ignore();
  return required(await findIntent(trx, intent.organizationId, intent.intentKey), `chain intent ${intent.intentKey}`);
}

export async function findIntent(
  trx: Transaction,
  organizationId: string,
  intentKey: string,
): Promise<StoredIntent | null> {
  const row = await trx('chain_intents')
    .where({ organization_id: organizationId, intent_key: intentKey })
    .first<IntentRow | undefined>('*');
  return row ? toIntent(row) : null;
}

/** The signer's intent that has this nonce, or null when none of ours has it. */
export async function findIntentByNonce(
  trx: Transaction,
  signer: Pick<StoredIntent, 'organizationId' | 'chainId' | 'signerAddress'>,
  nonce: number,
): Promise<StoredIntent | null> {
  const row = await trx('chain_intents')
    .where({
      organization_id: signer.organizationId,
      chain_id: signer.chainId,
      signer_address: signer.signerAddress,
      nonce,
    })
    .first<IntentRow | undefined>('*');
  return row ? toIntent(row) : null;
}

/** The intent under a row lock, held until the transaction ends. Throws when it is unknown. */
export async function lockIntent(trx: Transaction, organizationId: string, intentKey: string): Promise<StoredIntent> {
  const row = await trx('chain_intents')
    .where({ organization_id: organizationId, intent_key: intentKey })
    .forUpdate()
    .first<IntentRow | undefined>('*');
  return toIntent(required(row, `chain intent ${intentKey}`));
}

/**
 * Takes the signer's next nonce under a lock of its row, held until the transaction ends: a rollback gives it back, and no
 * two processes take the same. `chainNonce` is the first nonce that the chain has not used; it wins when it is ahead, because
 * lower ones can't be mined any more.
 */
export async function takeNonce(
  trx: Transaction,
  signer: Pick<StoredIntent, 'organizationId' | 'chainId' | 'signerAddress'>,
  chainNonce: number,
  now: Date,
): Promise<number> {
  const key = { organization_id: signer.organizationId, chain_id: signer.chainId, address: signer.signerAddress };
  await trx('chain_signers')
    .insert({ ...key, next_nonce: chainNonce, updated_at: now })
    .onConflict(['organization_id', 'chain_id', 'address'])
    .ignore();
  const row = await trx('chain_signers').where(key).forUpdate().first<{ next_nonce: bigint } | undefined>('next_nonce');
  const nonce = Math.max(Number(required(row, 'signer').next_nonce), chainNonce);
  await trx('chain_signers')
    .where(key)
    .update({ next_nonce: nonce + 1, updated_at: now });
  return nonce;
}

export interface IntentChange {
  readonly state?: IntentState;
  readonly nonce?: number;
  readonly gasLimit?: bigint;
  readonly problem?: string | null;
  readonly cancelReason?: string;
  readonly failureDetail?: string;
  readonly receipt?: StoredReceipt;
}

/** Writes the given columns and the time of the look, which orders {@link findPendingIntents}. */
export async function updateIntent(
  trx: Transaction,
  organizationId: string,
  intentKey: string,
  change: IntentChange,
  now: Date,
): Promise<void> {
  await trx('chain_intents')
    .where({ organization_id: organizationId, intent_key: intentKey })
    .update({
      updated_at: now,
      ...(change.state === undefined ? {} : { state: change.state }),
      ...(change.nonce === undefined ? {} : { nonce: change.nonce }),
      ...(change.gasLimit === undefined ? {} : { gas_limit: change.gasLimit.toString() }),
      ...(change.problem === undefined ? {} : { problem: change.problem }),
      ...(change.cancelReason === undefined ? {} : { cancel_reason: change.cancelReason }),
      ...(change.failureDetail === undefined ? {} : { failure_detail: change.failureDetail }),
      ...(change.receipt === undefined
        ? {}
        : {
            transaction_hash: change.receipt.transactionHash,
            block_hash: change.receipt.blockHash,
            block_number: change.receipt.blockNumber.toString(),
            gas_used: change.receipt.gasUsed.toString(),
            effective_gas_price: change.receipt.effectiveGasPrice.toString(),
            gas_cost: (change.receipt.gasUsed * change.receipt.effectiveGasPrice).toString(),
          }),
    });
}

/** Attempts in the order in which they were signed. */
export async function findAttempts(
  trx: Transaction,
  organizationId: string,
  intentKey: string,
): Promise<readonly StoredAttempt[]> {
  const rows = await trx('chain_attempts')
    .where({ organization_id: organizationId, intent_key: intentKey })
    .orderBy('attempt_number')
    .select<AttemptRow[]>('*');
  return rows.map(toAttempt);
}

export async function insertAttempt(
  trx: Transaction,
  organizationId: string,
  intentKey: string,
  attempt: Omit<StoredAttempt, 'sentAt'>,
): Promise<void> {
  await trx('chain_attempts').insert({
    organization_id: organizationId,
    intent_key: intentKey,
    attempt_number: attempt.attemptNumber,
    kind: attempt.kind,
    transaction_hash: attempt.transactionHash,
    raw_transaction: attempt.raw,
    max_fee_per_gas: attempt.maxFeePerGas.toString(),
    max_priority_fee_per_gas: attempt.maxPriorityFeePerGas.toString(),
    signed_at: attempt.signedAt,
  });
}

/** Notes the first time a node took the attempt. */
export async function markAttemptSent(
  trx: Transaction,
  organizationId: string,
  intentKey: string,
  attemptNumber: number,
  now: Date,
): Promise<void> {
  await trx('chain_attempts')
    .where({ organization_id: organizationId, intent_key: intentKey, attempt_number: attemptNumber })
    .whereNull('sent_at')
    .update({ sent_at: now });
}

/** Intents that are not final, the one looked at longest ago first. Row level security decides whose. */
export async function findPendingIntents(database: Knex, limit: number): Promise<readonly PendingIntent[]> {
  const rows = await database('chain_intents')
    .whereIn('state', ['queued', 'signed', 'broadcast'])
    .orderBy('updated_at')
    .limit(limit)
    .select<{ organization_id: string; intent_key: string; state: PendingIntent['state'] }[]>(
      'organization_id',
      'intent_key',
      'state',
    );
  return rows.map((row) => ({ organizationId: row.organization_id, intentKey: row.intent_key, state: row.state }));
}
