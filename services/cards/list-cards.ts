import type { Page, PageRequest } from '../database/page';
import type { Transaction } from '../database/transaction';
import { type CardRow, findCards } from './card.repository';
import type { CardState } from './rules/card-state';

export interface ListCardsInput {
  readonly organizationId: string;
  readonly accountId?: string | undefined;
  readonly productId?: string | undefined;
  readonly state?: CardState | undefined;
  readonly page: PageRequest;
}

/** Cards of the organization, newest first. */
export async function listCards(trx: Transaction, input: ListCardsInput): Promise<Page<CardRow>> {
  const { organizationId, accountId, productId, state, page } = input;
  return findCards(trx, organizationId, { accountId, productId, state }, page);
}
