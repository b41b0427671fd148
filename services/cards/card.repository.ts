import type { Page, PageRequest } from '../database/page';
import { findPage } from '../database/page.repository';
import type { Transaction } from '../database/transaction';
import { required } from '../shared/assert';
import type { CardState } from './rules/card-state';
import type { PendingControls, SpendControls } from './rules/spend-controls';

/** A row of `cards`, columns as they are named there. Only the processor's token and the last four digits are ever kept. */
export interface CardRow {
  readonly organization_id: string;
  readonly id: string;
  readonly account_id: string;
  readonly program_id: string;
  readonly cardholder_id: string;
  readonly product_id: string | null;
  readonly kind: 'virtual' | 'physical';
  readonly state: CardState;
  readonly memo: string;
  readonly processor: string;
  readonly card_token: string | null;
  readonly last_four: string | null;
  readonly network: string | null;
  readonly expiry_month: number | null;
  readonly expiry_year: number | null;
  readonly controls: SpendControls;
  readonly controls_version: number;
  /** What waits for the program's cooling-off. */
  readonly pending_controls: PendingControls | null;
  readonly processor_state: string | null;
  readonly failure: string | null;
  readonly created_at: Date;
  readonly updated_at: Date;
}

export type NewCardRow = Pick<
  CardRow,
  | 'organization_id'
  | 'id'
  | 'account_id'
  | 'program_id'
  | 'cardholder_id'
  | 'product_id'
  | 'kind'
  | 'memo'
  | 'processor'
  | 'controls'
>;

export interface IssuableAccount {
  readonly program_id: string;
  readonly cardholder_id: string;
  readonly account_state: string;
  readonly program_state: string;
  readonly processor: string;
  readonly kyc_state: string;
}

export async function insertCard(trx: Transaction, row: NewCardRow): Promise<CardRow> {
  const rows = await trx('cards')
    .insert({ ...row, controls: JSON.stringify(row.controls) })
    .returning<CardRow[]>('*');
  return required(rows[0], 'the new card');
}

export async function findCard(trx: Transaction, organizationId: string, cardId: string): Promise<CardRow | undefined> {
  return trx('cards').where({ organization_id: organizationId, id: cardId }).first<CardRow | undefined>();
}

export async function lockCard(trx: Transaction, organizationId: string, cardId: string): Promise<CardRow | undefined> {
  return trx('cards').where({ organization_id: organizationId, id: cardId }).forUpdate().first<CardRow | undefined>();
}

export async function findCards(
  trx: Transaction,
  organizationId: string,
  filter: {
    readonly accountId?: string | undefined;
    readonly productId?: string | undefined;
    readonly state?: CardState | undefined;
  },
  page: PageRequest,
): Promise<Page<CardRow>> {
  return findPage<CardRow>(trx, 'cards', organizationId, page, {
    where: { account_id: filter.accountId, product_id: filter.productId, state: filter.state },
  });
}

export type CardChange = Partial<
  Pick<
    CardRow,
    | 'state'
    | 'card_token'
    | 'last_four'
    | 'network'
    | 'expiry_month'
    | 'expiry_year'
    | 'processor_state'
    | 'failure'
    | 'controls'
    | 'controls_version'
    | 'pending_controls'
  >
>;

/** The account's version moves with it, by a trigger: lock the account first. */
export async function updateCard(
  trx: Transaction,
  organizationId: string,
  cardId: string,
  change: CardChange,
): Promise<CardRow> {
  const rows = await trx('cards')
    .where({ organization_id: organizationId, id: cardId })
    .update({
      ...change,
      ...(change.controls === undefined ? {} : { controls: JSON.stringify(change.controls) }),
      ...(change.pending_controls ? { pending_controls: JSON.stringify(change.pending_controls) } : {}),
      updated_at: trx.fn.now(),
    })
    .returning<CardRow[]>('*');
  return required(rows[0], `card ${cardId}`);
}

/** Where the hot path finds the card by the processor's token. The same row again changes nothing. */
export async function insertCardRoute(
  trx: Transaction,
  route: {
    readonly vendor: string;
    readonly card_token: string;
    readonly organization_id: string;
    readonly card_id: string;
    readonly account_id: string;
  },
): Promise<void> {
  await trx('card_routes').insert(route).onConflict(['vendor', 'card_token']).ignore();
}

/** What decides whether a card of a product may be issued. */
export async function findIssuableProduct(
  trx: Transaction,
  organizationId: string,
  programId: string,
  productId: string,
): Promise<{ readonly kind: CardRow['kind']; readonly state: 'active' | 'disabled' } | undefined> {
  return trx('card_products')
    .where({ organization_id: organizationId, program_id: programId, id: productId })
    .first('kind', 'state');
}

/** What decides whether a card may be issued on an account. */
export async function findIssuableAccount(
  trx: Transaction,
  organizationId: string,
  accountId: string,
): Promise<IssuableAccount | undefined> {
  return trx('accounts as a')
    .join('programs as p', (join) => join.on('p.organization_id', 'a.organization_id').andOn('p.id', 'a.program_id'))
    .join('cardholders as h', (join) =>
      join.on('h.organization_id', 'a.organization_id').andOn('h.id', 'a.cardholder_id'),
    )
    .where({ 'a.organization_id': organizationId, 'a.id': accountId })
    .first<IssuableAccount | undefined>(
      'a.program_id',
      'a.cardholder_id',
      'a.state as account_state',
      'p.state as program_state',
      'p.processor',
      'h.kyc_state',
    );
}
