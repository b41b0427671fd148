import type { Knex } from 'knex';
import type { Pool } from 'pg';
import type { Transaction } from '../database/transaction';
import type { AuthorizationRequestKind } from '../providers/processor/port';
import type { Decision } from './rules/decide-authorization';
import type { DeclineReason } from './rules/decline-reason';
import type { StoredAnswer } from './stored-answer';

/** `awaited`: not known to have been heard. Every other state is final. */
export type AmendmentAnswerState = 'awaited' | 'given' | 'counted' | 'taken_back' | 'overtaken';

/** A row of `authorization_amendments`: what one message made of a purchase that was known. Amounts are cents. */
export interface AmendmentRow {
  readonly organization_id: string;
  readonly id: string;
  readonly authorization_id: string;
  readonly account_id: string;
  readonly card_id: string;
  readonly vendor: string;
  readonly message_id: string;
  /** Of the raw message. */
  readonly content_hash: string;
  readonly processor_authorization_id: string;
  readonly kind: AuthorizationRequestKind;
  readonly outcome: Decision['outcome'];
  readonly decline_reason: DeclineReason | null;
  /** How the message said its amount; null where it was written before this was kept. */
  readonly amount_basis: 'total' | 'delta' | null;
  /** Asked for on top of `total_before`. */
  readonly requested_amount: bigint;
  readonly total_before: bigint;
  /** Approved on top of it; told by the network, it may be more than is held. */
  readonly granted: bigint;
  /** The purchase had ended, and what was granted opened it again; null where it was written before this was kept. */
  readonly opened_again: boolean | null;
  /** What a told total that is no more than `total_before` gave back; null where the message told none such. */
  readonly given_back: bigint | null;
  readonly leg_ids: readonly string[];
  /** When the network says that it asked. */
  readonly occurred_at: Date;
  /** Null: nobody waited for an answer. */
  readonly respond_by: Date | null;
  /** Null: nothing depends on whether an answer was heard. */
  readonly answer_state: AmendmentAnswerState | null;
  readonly ask_at: Date | null;
  readonly asked: number;
  /** Canonical JSON; null where it was decided before these receipts were kept. */
  readonly receipt: string | null;
  /** Its sealed batch, which has no other leaf. */
  readonly batch_id: string | null;
  readonly created_at: Date;
}

export async function insertAmendment(trx: Transaction, row: Omit<AmendmentRow, 'asked'>): Promise<void> {
  await trx('authorization_amendments').insert({
    ...row,
    requested_amount: row.requested_amount.toString(),
    total_before: row.total_before.toString(),
    granted: row.granted.toString(),
    given_back: row.given_back?.toString() ?? null,
    leg_ids: [...row.leg_ids],
  });
}

export async function findAmendment(
  trx: Transaction,
  organizationId: string,
  vendor: string,
  messageId: string,
): Promise<AmendmentRow | undefined> {
  return trx<AmendmentRow>('authorization_amendments')
    .where({ organization_id: organizationId, vendor, message_id: messageId })
    .first();
}

export async function findAmendmentById(
  trx: Transaction,
  organizationId: string,
  id: string,
): Promise<AmendmentRow | undefined> {
  return trx<AmendmentRow>('authorization_amendments').where({ organization_id: organizationId, id }).first();
}

/** A message that approved something on top of a purchase. */
type GrantedRow = Pick<
  AmendmentRow,
  'id' | 'message_id' | 'card_id' | 'total_before' | 'granted' | 'created_at' | 'answer_state'
> & { readonly opened_again: boolean };

/** Rows of before this was kept have it in their receipts, and still older ones only where nothing of the purchase stood. */
const OPENED_AGAIN = `coalesce(opened_again, receipt::json #>> '{amendment,ended}' = 'true', total_before = 0)`;

/** What was approved on top of a purchase, in the order in which it was, also where it was taken back. */
export async function grantedOnTop(
  trx: Transaction,
  organizationId: string,
  authorizationId: string,
): Promise<readonly GrantedRow[]> {
  return trx<AmendmentRow>('authorization_amendments')
    .where({ organization_id: organizationId, authorization_id: authorizationId })
    .where('granted', '>', '0')
    .orderBy('id')
    .select('id', 'message_id', 'card_id', 'total_before', 'granted', 'created_at', 'answer_state')
    .select(trx.raw(`${OPENED_AGAIN} AS opened_again`));
}

/** Says what became of an answer that was awaited; nothing where that is known. Whether it was awaited. */
export async function settleAmendment(
  trx: Transaction,
  organizationId: string,
  id: string,
  state: Exclude<AmendmentAnswerState, 'awaited'>,
): Promise<boolean> {
  const changed = await trx('authorization_amendments')
    .where({ organization_id: organizationId, id, answer_state: 'awaited' })
    .update({ answer_state: state, ask_at: null });
  return changed > 0;
}

/**
 * What was held for these answers is of no account of its own any more: a new total has it in it, or the purchase had ended
 * and is open again.
 */
export async function overtakeAmendments(
  trx: Transaction,
  organizationId: string,
  authorizationId: string,
): Promise<void> {
  await trx('authorization_amendments')
    .where({ organization_id: organizationId, authorization_id: authorizationId, answer_state: 'awaited' })
    .update({ answer_state: 'overtaken', ask_at: null });
}

/** What was approved is taken back, whatever was known of its answer; a repetition of the message is told that it came too late. */
export async function takeAmendmentBack(
  trx: Transaction,
  amendment: Pick<AmendmentRow, 'organization_id' | 'id' | 'vendor' | 'message_id' | 'authorization_id'>,
): Promise<void> {
  const { organization_id, id, vendor, message_id } = amendment;
  const answer: StoredAnswer = {
    outcome: 'declined',
    approved_amount: '0',
    decline_reason: 'late',
    balance: null,
    authorization_id: amendment.authorization_id,
  };
  await trx('authorization_amendments')
    .where({ organization_id, id })
    .update({ answer_state: 'taken_back', ask_at: null });
  await trx('card_messages')
    .where({ organization_id, vendor, message_id })
    .update({ answer: JSON.stringify(answer) });
}

/** Answers that were handed to their vendor. Needs the authorizer's role. */
export async function noteAmendmentsHeard(
  pool: Pool,
  amendments: readonly { readonly organizationId: string; readonly id: string }[],
): Promise<void> {
  await pool.query({
    name: 'note-amendments-heard',
    text: `UPDATE authorization_amendments a SET answer_state = 'given', ask_at = NULL
      FROM unnest($1::uuid[], $2::uuid[]) AS w(organization_id, id)
      WHERE a.organization_id = w.organization_id AND a.id = w.id AND a.answer_state = 'awaited'`,
    values: [amendments.map(({ organizationId }) => organizationId), amendments.map(({ id }) => id)],
  });
}

/**
 * Takes up to `limit` amendments whose answers are not known to have been heard and that are to be asked about now. For `leaseMs`
 * nobody else takes them. Needs the worker's role.
 */
export async function claimUnheardAmendments(
  knex: Knex,
  times: { readonly now: Date; readonly leaseMs: number },
  limit: number,
): Promise<AmendmentRow[]> {
  const claimed: { rows: AmendmentRow[] } = await knex.raw(
    `WITH due AS MATERIALIZED (
       SELECT organization_id, id FROM authorization_amendments
       WHERE answer_state = 'awaited' AND ask_at <= :now
       ORDER BY ask_at LIMIT :limit FOR UPDATE SKIP LOCKED
     )
     UPDATE authorization_amendments a SET asked = a.asked + 1, ask_at = :leasedUntil
     FROM due WHERE a.organization_id = due.organization_id AND a.id = due.id
     RETURNING a.*`,
    { now: times.now, leasedUntil: new Date(times.now.getTime() + times.leaseMs), limit },
  );
  return claimed.rows;
}

/** Needs the worker's role. */
export async function askAboutAmendmentAgain(
  knex: Knex,
  amendment: Pick<AmendmentRow, 'organization_id' | 'id'>,
  at: Date,
): Promise<void> {
  await knex('authorization_amendments')
    .where({ organization_id: amendment.organization_id, id: amendment.id, answer_state: 'awaited' })
    .update({ ask_at: at });
}
