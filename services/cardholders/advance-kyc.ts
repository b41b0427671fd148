import type { Knex } from 'knex';
import { inOrganization } from '../database/transaction';
import type { KeyProvider } from '../providers/keys/port';
import type { KycVendor, KycVerdict } from '../providers/kyc/port';
import { required, unreachable } from '../shared/assert';
import {
  type CardholderRow,
  findCardholder,
  findKycCase,
  findUndeliveredDocuments,
  type KycCaseRow,
  type KycDocumentRow,
  lockAccountsOfCardholder,
  lockCardholder,
  markDocumentDelivered,
  updateKycCase,
  updateKycState,
} from './cardholder.repository';
import { appendCardholderEvent, type CardholderEventType } from './cardholder-event';
import { openDocument, openPersonalData } from './personal-data';
import { type KycEvent, next } from './rules/kyc-state';

export interface AdvanceKycDeps {
  readonly knex: Knex;
  readonly keys: KeyProvider;
  readonly kyc: KycVendor;
  /** The vendor's name for the set of checks a cardholder goes through. */
  readonly kycLevelName: string;
}

export interface KycStep {
  /** Decided, and no further documents are waited for. */
  readonly done: boolean;
  /** Until the next look, milliseconds; null: only a signal brings news. */
  readonly waitMs: number | null;
}

interface CardholderReference {
  readonly organizationId: string;
  readonly cardholderId: string;
}

interface Situation {
  readonly cardholder: CardholderRow;
  readonly kycCase: KycCaseRow;
  readonly documents: readonly KycDocumentRow[];
}

const DONE: KycStep = { done: true, waitMs: null };
const UNTIL_DOCUMENTS: KycStep = { done: false, waitMs: null };
const POLL_MIN_MS = 1_000;
const POLL_MAX_MS = 60_000;

/**
 * Does the next thing that is due in a cardholder's verification: applicant, documents, check, verdict. What each step
 * came to is recorded before the next begins, so that a repetition goes on from there. `look` counts the looks of one
 * workflow run; the wait for the verdict grows with it, a hint of the vendor ends it early.
 */
export async function advanceKyc(deps: AdvanceKycDeps, input: CardholderReference, look: number): Promise<KycStep> {
  const situation = await readSituation(deps, input);
  if (situation === null) return DONE;
  switch (situation.kycCase.state) {
    case 'delivering':
      return deliver(deps, situation, look);
    case 'reviewing':
    case 'decided':
      return fetchVerdict(deps, situation, look);
    default:
      return unreachable(situation.kycCase.state, 'case state');
  }
}

async function readSituation(deps: AdvanceKycDeps, input: CardholderReference): Promise<Situation | null> {
  const { organizationId, cardholderId } = input;
  return inOrganization(deps.knex, organizationId, async (trx) => {
    const cardholder = required(await findCardholder(trx, organizationId, cardholderId), `cardholder ${cardholderId}`);
    const kycCase = await findKycCase(trx, organizationId, cardholderId);
    if (kycCase === undefined) return null;
    const documents = await findUndeliveredDocuments(trx, organizationId, cardholderId, kycCase.submission);
    return { cardholder, kycCase, documents };
  });
}

async function deliver(deps: AdvanceKycDeps, situation: Situation, look: number): Promise<KycStep> {
  const { cardholder, kycCase, documents } = situation;
  const { organization_id: organizationId, id: cardholderId } = cardholder;

  const applicantId = kycCase.applicant_id ?? (await createApplicant(deps, cardholder));
  if (applicantId === null) return poll(look);

  for (const document of documents) {
    const content = required(document.content, `content of document ${document.id}`);
    const added = await deps.kyc.addDocument(applicantId, {
      type: document.type,
      country: document.country,
      fileName: document.file_name,
      contentType: document.content_type,
      content: await openDocument(
        deps.keys,
        cardholder.personal_data_key,
        { organizationId, documentId: document.id },
        content,
      ),
    });
    if (added.kind === 'rejected') {
      return decide(
        deps,
        situation,
        'resubmission_required',
        ['document_refused'],
        `${document.type}: ${added.detail}`,
      );
    }
    // Unknown: the vendor may hold it. It keeps several images of one document, so it is sent again.
    if (added.kind === 'unknown') return poll(look);
    await inOrganization(deps.knex, organizationId, (trx) =>
      markDocumentDelivered(trx, organizationId, document.id, added.value.documentId),
    );
  }

  const requested = await deps.kyc.requestCheck(applicantId);
  if (requested.kind === 'unknown') return poll(look);
  if (requested.kind === 'rejected') {
    // Refused when the check runs already (an earlier answer was lost): then the vendor has a verdict or is at it.
    const verdict = await deps.kyc.verdict(applicantId);
    if (verdict.kind !== 'ok') return poll(look);
    if (verdict.value.kind === 'in_progress' && verdict.value.status === 'init') return poll(look);
  }
  await inOrganization(deps.knex, organizationId, async (trx) => {
    await lockAccountsOfCardholder(trx, organizationId, cardholderId);
    const current = required(await lockCardholder(trx, organizationId, cardholderId), `cardholder ${cardholderId}`);
    const reviewing = await updateKycCase(trx, organizationId, cardholderId, { state: 'reviewing' });
    const transition = next(current.kyc_state, 'check_requested');
    if (transition.kind !== 'changed') return;
    const changed = await updateKycState(trx, organizationId, cardholderId, transition.state);
    await appendCardholderEvent(trx, 'cardholder.kyc.in_review', changed, reviewing);
  });
  return { done: false, waitMs: POLL_MIN_MS };
}

/** The applicant's id at the vendor, recorded; null when the vendor did not answer clearly. */
async function createApplicant(deps: AdvanceKycDeps, cardholder: CardholderRow): Promise<string | null> {
  const { organization_id: organizationId, id: cardholderId } = cardholder;
  const personal = await openPersonalData(deps.keys, { organizationId, cardholderId }, cardholder);
  const created = await deps.kyc.createApplicant({
    externalUserId: cardholderId,
    levelName: deps.kycLevelName,
    firstName: personal.firstName,
    lastName: personal.lastName,
    dateOfBirth: personal.dateOfBirth,
    email: personal.email,
    country: cardholder.residence_country,
    nationality: cardholder.nationality,
  });
  if (created.kind !== 'ok') return null;
  const { applicantId } = created.value;
  await inOrganization(deps.knex, organizationId, (trx) =>
    updateKycCase(trx, organizationId, cardholderId, { applicant_id: applicantId }),
  );
  return applicantId;
}

async function fetchVerdict(deps: AdvanceKycDeps, situation: Situation, look: number): Promise<KycStep> {
  const applicantId = required(situation.kycCase.applicant_id, 'applicant of a case under review');
  const answer = await deps.kyc.verdict(applicantId);
  if (answer.kind !== 'ok') return poll(look);
  return applyVerdict(deps, situation, answer.value, look);
}

async function applyVerdict(
  deps: AdvanceKycDeps,
  situation: Situation,
  verdict: KycVerdict,
  look: number,
): Promise<KycStep> {
  switch (verdict.kind) {
    case 'in_progress':
      return situation.kycCase.state === 'decided' ? afterDecision(situation.cardholder) : poll(look);
    case 'approved':
      return decide(deps, situation, 'approved', [], null);
    case 'resubmission_required':
    case 'rejected':
      return decide(deps, situation, verdict.kind, verdict.reasons, verdict.message);
    case 'unrecognized':
      // Never guessed: the case stays as it is and says why, until the vendor says something that we know.
      await inOrganization(deps.knex, situation.cardholder.organization_id, (trx) =>
        updateKycCase(trx, situation.cardholder.organization_id, situation.cardholder.id, { message: verdict.detail }),
      );
      return poll(look);
    default:
      return unreachable(verdict, 'verdict');
  }
}

type Decision = Extract<KycEvent, 'approved' | 'resubmission_required' | 'rejected'>;

const TOLD_AS: Readonly<Record<Decision, CardholderEventType>> = {
  approved: 'cardholder.kyc.approved',
  resubmission_required: 'cardholder.kyc.resubmission_required',
  rejected: 'cardholder.kyc.rejected',
};

async function decide(
  deps: AdvanceKycDeps,
  situation: Situation,
  decision: Decision,
  reasons: readonly string[],
  message: string | null,
): Promise<KycStep> {
  const { organization_id: organizationId, id: cardholderId } = situation.cardholder;
  return inOrganization(deps.knex, organizationId, async (trx) => {
    await lockAccountsOfCardholder(trx, organizationId, cardholderId);
    const current = required(await lockCardholder(trx, organizationId, cardholderId), `cardholder ${cardholderId}`);
    const kycCase = required(await findKycCase(trx, organizationId, cardholderId), 'the case');
    // Documents were handed in while the vendor was asked: its answer is about the older ones.
    if (kycCase.submission !== situation.kycCase.submission) return { done: false, waitMs: 0 };

    const state = current.kyc_state === 'pending' ? 'in_review' : current.kyc_state;
    const transition = next(state, decision);
    if (transition.kind !== 'changed') return afterDecision(current);
    const decided = await updateKycCase(trx, organizationId, cardholderId, {
      state: 'decided',
      reasons: [...reasons],
      message,
    });
    const changed = await updateKycState(trx, organizationId, cardholderId, transition.state);
    await appendCardholderEvent(trx, TOLD_AS[decision], changed, decided);
    return afterDecision(changed);
  });
}

function afterDecision(cardholder: CardholderRow): KycStep {
  return cardholder.kyc_state === 'resubmission_required' ? UNTIL_DOCUMENTS : DONE;
}

function poll(look: number): KycStep {
  return { done: false, waitMs: Math.min(POLL_MAX_MS, POLL_MIN_MS * 2 ** Math.min(look, 10)) };
}
