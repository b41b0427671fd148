import type { Page, PageRequest } from '../database/page';
import { findPage } from '../database/page.repository';
import type { Transaction } from '../database/transaction';
import { required } from '../shared/assert';
import type { KycState } from './rules/kyc-state';

/** A row of `cardholders`, columns as they are named there. */
export interface CardholderRow {
  readonly organization_id: string;
  readonly id: string;
  readonly program_id: string;
  readonly kind: 'person';
  readonly external_id: string | null;
  readonly kyc_state: KycState;
  readonly residence_country: string;
  readonly nationality: string;
  readonly time_zone: string;
  readonly personal_data: Buffer;
  readonly personal_data_key: Buffer;
  readonly email_index: Buffer;
  readonly created_at: Date;
  readonly updated_at: Date;
}

export type NewCardholderRow = Omit<CardholderRow, 'kind' | 'kyc_state' | 'created_at' | 'updated_at'>;

/** Where a case stands at the vendor: what is still to be delivered, what it is reviewing, what it has decided. */
export type KycCaseState = 'delivering' | 'reviewing' | 'decided';

export interface KycCaseRow {
  readonly organization_id: string;
  readonly id: string;
  readonly cardholder_id: string;
  readonly vendor: string;
  readonly applicant_id: string | null;
  readonly state: KycCaseState;
  readonly submission: number;
  readonly reasons: readonly string[];
  readonly message: string | null;
  readonly created_at: Date;
  readonly updated_at: Date;
}

export interface KycDocumentRow {
  readonly organization_id: string;
  readonly id: string;
  readonly cardholder_id: string;
  readonly submission: number;
  readonly type: 'passport' | 'id_card' | 'drivers' | 'proof_of_residence' | 'selfie';
  readonly country: string;
  readonly file_name: string;
  readonly content_type: string;
  readonly content: Buffer | null;
  readonly vendor_document_id: string | null;
}

/** What a program says about whom it onboards. */
export interface OnboardingTerms {
  readonly state: string;
  readonly allowed_residence_countries: readonly string[];
}

export async function findOnboardingTerms(
  trx: Transaction,
  organizationId: string,
  programId: string,
): Promise<OnboardingTerms | undefined> {
  return trx('programs as p')
    .join('program_policies as v', (join) =>
      join
        .on('v.organization_id', 'p.organization_id')
        .andOn('v.program_id', 'p.id')
        .andOn('v.version', 'p.policy_version'),
    )
    .where({ 'p.organization_id': organizationId, 'p.id': programId })
    .first<OnboardingTerms | undefined>(
      'p.state',
      trx.raw("v.document->'allowed_residence_countries' AS allowed_residence_countries"),
    );
}

/** Undefined when the program already has a cardholder of that external id. */
export async function insertCardholder(trx: Transaction, row: NewCardholderRow): Promise<CardholderRow | undefined> {
  const rows = await trx('cardholders')
    .insert(row)
    .onConflict(['organization_id', 'program_id', 'external_id'])
    .ignore()
    .returning<CardholderRow[]>('*');
  return rows[0];
}

export async function findCardholder(
  trx: Transaction,
  organizationId: string,
  cardholderId: string,
): Promise<CardholderRow | undefined> {
  return trx('cardholders')
    .where({ organization_id: organizationId, id: cardholderId })
    .first<CardholderRow | undefined>();
}

export async function lockCardholder(
  trx: Transaction,
  organizationId: string,
  cardholderId: string,
): Promise<CardholderRow | undefined> {
  return trx('cardholders')
    .where({ organization_id: organizationId, id: cardholderId })
    .forUpdate()
    .first<CardholderRow | undefined>();
}

export async function findCardholders(
  trx: Transaction,
  organizationId: string,
  filter: {
    readonly programId?: string | undefined;
    readonly externalId?: string | undefined;
    readonly kycState?: KycState | undefined;
  },
  page: PageRequest,
): Promise<Page<CardholderRow>> {
  return findPage<CardholderRow>(trx, 'cardholders', organizationId, page, {
    where: { program_id: filter.programId, external_id: filter.externalId, kyc_state: filter.kycState },
  });
}

/** Locks the cardholder's accounts, in order: a change of the verification moves their versions, by a trigger. */
export async function lockAccountsOfCardholder(
  trx: Transaction,
  organizationId: string,
  cardholderId: string,
): Promise<void> {
  await trx('accounts')
    .where({ organization_id: organizationId, cardholder_id: cardholderId })
    .orderBy('id')
    .forUpdate()
    .select('id');
}

export async function updateKycState(
  trx: Transaction,
  organizationId: string,
  cardholderId: string,
  state: KycState,
): Promise<CardholderRow> {
  const rows = await trx('cardholders')
    .where({ organization_id: organizationId, id: cardholderId })
    .update({ kyc_state: state, updated_at: trx.fn.now() })
    .returning<CardholderRow[]>('*');
  return required(rows[0], `cardholder ${cardholderId}`);
}

export async function findKycCase(
  trx: Transaction,
  organizationId: string,
  cardholderId: string,
): Promise<KycCaseRow | undefined> {
  return trx('kyc_cases')
    .where({ organization_id: organizationId, cardholder_id: cardholderId })
    .first<KycCaseRow | undefined>();
}

/** Opens the case, or counts one more submission of the one that is open. */
export async function openSubmission(
  trx: Transaction,
  input: {
    readonly id: string;
    readonly organizationId: string;
    readonly cardholderId: string;
    readonly vendor: string;
  },
): Promise<KycCaseRow> {
  const rows = await trx('kyc_cases')
    .insert({
      organization_id: input.organizationId,
      id: input.id,
      cardholder_id: input.cardholderId,
      vendor: input.vendor,
      state: 'delivering',
      submission: 1,
    })
    .onConflict(['organization_id', 'cardholder_id'])
    .merge({
      state: 'delivering',
      submission: trx.raw('kyc_cases.submission + 1'),
      reasons: [],
      message: null,
      updated_at: trx.fn.now(),
    })
    .returning<KycCaseRow[]>('*');
  return required(rows[0], 'the case');
}

export async function updateKycCase(
  trx: Transaction,
  organizationId: string,
  cardholderId: string,
  change: {
    readonly state?: KycCaseState;
    readonly applicant_id?: string;
    readonly reasons?: readonly string[];
    readonly message?: string | null;
  },
): Promise<KycCaseRow> {
  const rows = await trx('kyc_cases')
    .where({ organization_id: organizationId, cardholder_id: cardholderId })
    .update({ ...change, updated_at: trx.fn.now() })
    .returning<KycCaseRow[]>('*');
  return required(rows[0], `the case of cardholder ${cardholderId}`);
}

export async function insertKycDocument(
  trx: Transaction,
  row: Omit<KycDocumentRow, 'vendor_document_id'>,
): Promise<void> {
  await trx('kyc_documents').insert(row);
}

/** Documents of one submission that the vendor does not hold yet. */
export async function findUndeliveredDocuments(
  trx: Transaction,
  organizationId: string,
  cardholderId: string,
  submission: number,
): Promise<KycDocumentRow[]> {
  return trx('kyc_documents')
    .where({ organization_id: organizationId, cardholder_id: cardholderId, submission })
    .whereNull('vendor_document_id')
    .orderBy('id')
    .select<KycDocumentRow[]>('*');
}

/** The vendor holds the document: ours is emptied. */
export async function markDocumentDelivered(
  trx: Transaction,
  organizationId: string,
  documentId: string,
  vendorDocumentId: string,
): Promise<void> {
  await trx('kyc_documents')
    .where({ organization_id: organizationId, id: documentId })
    .update({ vendor_document_id: vendorDocumentId, content: null });
}
