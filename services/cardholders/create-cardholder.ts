import { newId } from '../database/new-id';
import type { Transaction } from '../database/transaction';
import type { KeyProvider } from '../providers/keys/port';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { findOnboardingTerms, insertCardholder } from './cardholder.repository';
import { appendCardholderEvent } from './cardholder-event';
import { type CardholderView, toCardholderView } from './cardholder-view';
import { sealPersonalData } from './personal-data';
import { type CountryProblem, checkCountries } from './rules/country-policy';

export interface CreateCardholderDeps {
  readonly keys: KeyProvider;
}

export interface CreateCardholderInput {
  readonly organizationId: string;
  readonly programId: string;
  /** The fintech's own id, unique in the program. */
  readonly externalId?: string | undefined;
  readonly firstName: string;
  readonly lastName: string;
  /** `YYYY-MM-DD`. */
  readonly dateOfBirth: string;
  readonly email: string;
  /** ISO 3166-1 alpha-3. */
  readonly residenceCountry: string;
  readonly nationality: string;
  /** IANA name: the windows of spending limits begin by it. */
  readonly timeZone: string;
}

const WHY: Readonly<Record<CountryProblem['reason'], string>> = {
  sanctioned: 'Nobody may be served there: the country is under comprehensive sanctions.',
  residence_barred: 'Residents of this country may not be served by providers from abroad.',
  not_in_program: 'The program does not serve this country; its policy lists those that it does.',
};

/** Enters a person who wants a card. Refuses countries that may not be served before anything is stored about the person. */
export async function createCardholder(
  trx: Transaction,
  deps: CreateCardholderDeps,
  input: CreateCardholderInput,
): Promise<Result<CardholderView, Refusal>> {
  const { organizationId, programId } = input;
  const terms = await findOnboardingTerms(trx, organizationId, programId);
  if (terms === undefined)
    return err(refusal('not_found', 'No program of this organization has this id.', '/program_id'));
  if (terms.state !== 'active') return err(refusal('program_disabled', 'The program is switched off.'));
  const countries = checkCountries({
    residenceCountry: input.residenceCountry,
    nationality: input.nationality,
    allowedResidenceCountries: terms.allowed_residence_countries,
  });
  if (!countries.ok) {
    return err(refusal('country_not_allowed', WHY[countries.error.reason], `/${countries.error.field}`));
  }
  if (!isTimeZone(input.timeZone)) {
    return err(refusal('invalid_parameter', 'This is not a time zone of the IANA database.', '/time_zone'));
  }

  const id = newId();
  const sealed = await sealPersonalData(
    deps.keys,
    { organizationId, cardholderId: id },
    { firstName: input.firstName, lastName: input.lastName, dateOfBirth: input.dateOfBirth, email: input.email },
  );
  const row = await insertCardholder(trx, {
    organization_id: organizationId,
    id,
    program_id: programId,
    external_id: input.externalId ?? null,
    residence_country: input.residenceCountry,
    nationality: input.nationality,
    time_zone: input.timeZone,
    ...sealed,
  });
  if (row === undefined) {
    return err(refusal('already_exists', 'The program has a cardholder with this external id.', '/external_id'));
  }
  await appendCardholderEvent(trx, 'cardholder.created', row, undefined);
  return ok(await toCardholderView(deps.keys, row, undefined));
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
