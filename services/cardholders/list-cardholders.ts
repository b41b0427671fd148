import type { Page, PageRequest } from '../database/page';
import type { Transaction } from '../database/transaction';
import type { KeyProvider } from '../providers/keys/port';
import { findCardholders, findKycCase } from './cardholder.repository';
import { type CardholderView, toCardholderView } from './cardholder-view';
import type { KycState } from './rules/kyc-state';

export interface ListCardholdersInput {
  readonly organizationId: string;
  readonly programId?: string | undefined;
  readonly externalId?: string | undefined;
  readonly kycState?: KycState | undefined;
  readonly page: PageRequest;
}

/** Cardholders of the organization, newest first. */
export async function listCardholders(
  trx: Transaction,
  deps: { readonly keys: KeyProvider },
  input: ListCardholdersInput,
): Promise<Page<CardholderView>> {
  const { organizationId, programId, externalId, kycState } = input;
  const page = await findCardholders(trx, organizationId, { programId, externalId, kycState }, input.page);
  const data: CardholderView[] = [];
  for (const row of page.data) {
    data.push(await toCardholderView(deps.keys, row, await findKycCase(trx, organizationId, row.id)));
  }
  return { data, hasMore: page.hasMore };
}
