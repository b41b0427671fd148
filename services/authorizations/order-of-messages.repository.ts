import type { Transaction } from '../database/transaction';
import type { AuthorizationRequestKind } from '../providers/processor/port';
import type { AuthorizationRow } from './authorization.repository';
import type { PurchaseKey } from './card-event.repository';
import { isAboutAmount } from './rules/amendment';
import type { DatedChange } from './rules/order-of-messages';

interface ToldRow {
  readonly kind: 'clearing' | 'reversal' | 'expiry' | 'authorization_advice';
  readonly amount: bigint;
  readonly final: boolean;
  readonly at: Date;
  readonly recorded_at: Date;
}

interface AnsweredRow {
  readonly kind: AuthorizationRequestKind;
  readonly amount_basis: 'total' | 'delta' | null;
  readonly total_before: bigint;
  readonly granted: bigint;
  readonly given_back: bigint | null;
  readonly occurred_at: Date;
  readonly created_at: Date;
}

/**
 * What messages of moments after `at` made of a purchase, in the order of those moments: the network's times held against each other, and
 * no clock of ours. Of messages of the same moment the one that came first is the earlier one, so that one of the very moment `at` is
 * before it. What the purchase began with is before everything, and what was taken back on its own (a request that came to nothing)
 * was never said. A message whose moment was not kept counts as earlier.
 */
export async function changesSince(trx: Transaction, key: PurchaseKey, at: Date): Promise<readonly DatedChange[]> {
  const told = (await toldSince(trx, key, at)).map((row) => ({ change: toldChange(row), recordedAt: row.recorded_at }));
  const answered = (await answeredSince(trx, key, at)).map((row) => ({
    change: answeredChange(row),
    recordedAt: row.created_at,
  }));
  return [...told, ...answered]
    .sort(
      (one, other) =>
        one.change.at.getTime() - other.change.at.getTime() || one.recordedAt.getTime() - other.recordedAt.getTime(),
    )
    .map(({ change }) => change);
}

/**
 * Whether the network has told that anything of a purchase was given back, that it ran out, or that it was cleared for the last time. Of
 * clearings from before it was kept which is the last, each counts as that.
 */
export async function isToldOf(
  trx: Transaction,
  authorization: Pick<AuthorizationRow, 'organization_id' | 'id'>,
): Promise<boolean> {
  const row = await trx('card_messages')
    .where({ organization_id: authorization.organization_id, authorization_id: authorization.id })
    .whereIn('kind', ['clearing', 'reversal', 'expiry'])
    .whereRaw("answer ->> 'reversed_message_id' IS NULL AND (kind <> 'clearing' OR final OR effective_at IS NULL)")
    .first('message_id');
  return row !== undefined;
}

/** Also what came before the purchase was known, and is not linked to it; a total that is linked has left an amendment. */
async function toldSince(trx: Transaction, key: PurchaseKey, at: Date): Promise<readonly ToldRow[]> {
  const { organizationId, accountId, vendor, processorAuthorizationId, authorizationId } = key;
  const rows = await trx.raw<{ rows: ToldRow[] }>(
    `SELECT m.kind, coalesce(t.amount, (m.answer ->> 'approved_amount')::bigint) AS amount, m.final,
       coalesce(m.effective_at, t.effective_at) AS at, m.received_at AS recorded_at
     FROM (
       SELECT * FROM card_messages WHERE authorization_id = :authorizationId
       UNION ALL
       SELECT * FROM card_messages WHERE authorization_id IS NULL AND processor_authorization_id = :processorAuthorizationId
     ) m
     LEFT JOIN card_transactions t ON t.organization_id = m.organization_id AND t.vendor = m.vendor AND t.message_id = m.message_id
     WHERE m.organization_id = :organizationId AND m.account_id = :accountId AND m.vendor = :vendor
       AND (m.kind IN ('clearing', 'reversal', 'expiry') OR (m.kind = 'authorization_advice' AND m.authorization_id IS NULL))
       AND m.answer ->> 'reversed_message_id' IS NULL
       AND coalesce(m.effective_at, t.effective_at) > :at`,
    { organizationId, accountId, vendor, processorAuthorizationId, authorizationId, at },
  );
  return rows.rows;
}

function toldChange({ kind, amount, final, at }: ToldRow): DatedChange {
  switch (kind) {
    case 'clearing':
      return { at, kind: 'cleared', amount, final };
    case 'reversal':
      return { at, kind: 'less', amount };
    case 'expiry':
      return { at, kind: 'ended' };
    case 'authorization_advice':
      return { at, kind: 'total', amount };
  }
}

async function answeredSince(trx: Transaction, key: PurchaseKey, at: Date): Promise<readonly AnsweredRow[]> {
  if (key.authorizationId === null) return [];
  const rows: AnsweredRow[] = await trx('authorization_amendments')
    .where({ organization_id: key.organizationId, authorization_id: key.authorizationId })
    .whereNot({ outcome: 'declined' })
    .whereRaw("answer_state IS DISTINCT FROM 'taken_back'")
    .where('occurred_at', '>', at)
    .select('kind', 'amount_basis', 'total_before', 'granted', 'given_back', 'occurred_at', 'created_at');
  return rows.filter((row) => isAboutAmount(row.kind));
}

function answeredChange({ kind, granted, occurred_at: at, ...row }: AnsweredRow): DatedChange {
  const isTotal = kind === 'advice' || row.amount_basis === 'total';
  return isTotal
    ? { at, kind: 'total', amount: row.total_before + granted - (row.given_back ?? 0n) }
    : { at, kind: 'more', amount: granted };
}
