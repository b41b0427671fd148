import type { Page, PageRequest } from '../database/page';
import type { Transaction } from '../database/transaction';
import { type CardRow, findCards } from './card.repository';
import type { CardState } from './rules/card-state';

export interface ListCardsInput {
  readonly organizationId: string;
  readonly accountId?: string | undefined;
  readonly state?: CardState | undefined;
  readonly page: PageRequest;
}

/** Cards of the organization, newest first. */
export async function listCards(trx: Transaction, input: ListCardsInput): Promise<Page<CardRow>> {
  return findCards(trx, input.organizationId, { accountId: input.accountId, state: input.state }, input.page);
}
