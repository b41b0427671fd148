import type { KeyProvider } from '../providers/keys/port';
import type { CardholderRow, KycCaseRow } from './cardholder.repository';
import { openPersonalData, type PersonalData } from './personal-data';
import type { KycState } from './rules/kyc-state';

/** A cardholder as the fintech that entered it sees it, personal data in the clear. */
export interface CardholderView extends PersonalData {
  readonly id: string;
  readonly organizationId: string;
  readonly programId: string;
  readonly externalId: string | null;
  readonly residenceCountry: string;
  readonly nationality: string;
  readonly timeZone: string;
  readonly kyc: {
    readonly state: KycState;
    readonly applicantId: string | null;
    readonly submission: number;
    readonly reasons: readonly string[];
    /** The vendor's words for what is missing. */
    readonly message: string | null;
  };
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export async function toCardholderView(
  keys: KeyProvider,
  row: CardholderRow,
  kycCase: KycCaseRow | undefined,
): Promise<CardholderView> {
  const personal = await openPersonalData(keys, { organizationId: row.organization_id, cardholderId: row.id }, row);
  return {
    ...personal,
    id: row.id,
    organizationId: row.organization_id,
    programId: row.program_id,
    externalId: row.external_id,
    residenceCountry: row.residence_country,
    nationality: row.nationality,
    timeZone: row.time_zone,
    kyc: {
      state: row.kyc_state,
      applicantId: kycCase?.applicant_id ?? null,
      submission: kycCase?.submission ?? 0,
      reasons: kycCase?.reasons ?? [],
      message: kycCase?.message ?? null,
    },
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
