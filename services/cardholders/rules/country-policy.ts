import { err, ok, type Result } from '../../shared/result';

/** Countries under comprehensive sanctions (ISO 3166-1 alpha-3): neither residents nor nationals are served. */
export const SANCTIONED_COUNTRIES: readonly string[] = ['CUB', 'IRN', 'PRK', 'SYR'];

/** Countries whose rules bar providers from abroad from serving residents. CHN: notice Yinfa [2026] No. 42. */
export const RESIDENCE_BARRED_COUNTRIES: readonly string[] = ['CHN'];

export interface CountryQuestion {
  /** ISO 3166-1 alpha-3. */
  readonly residenceCountry: string;
  readonly nationality: string;
  /** Residences the program serves. */
  readonly allowedResidenceCountries: readonly string[];
}

export interface CountryProblem {
  readonly field: 'residence_country' | 'nationality';
  readonly reason: 'sanctioned' | 'residence_barred' | 'not_in_program';
}

/** Whether a person may be onboarded, as far as countries go. What nobody may serve comes before the program's own list. */
export function checkCountries(question: CountryQuestion): Result<null, CountryProblem> {
  const { residenceCountry, nationality, allowedResidenceCountries } = question;
  if (SANCTIONED_COUNTRIES.includes(residenceCountry)) return err({ field: 'residence_country', reason: 'sanctioned' });
  if (SANCTIONED_COUNTRIES.includes(nationality)) return err({ field: 'nationality', reason: 'sanctioned' });
  if (RESIDENCE_BARRED_COUNTRIES.includes(residenceCountry)) {
    return err({ field: 'residence_country', reason: 'residence_barred' });
  }
  if (!allowedResidenceCountries.includes(residenceCountry)) {
    return err({ field: 'residence_country', reason: 'not_in_program' });
  }
  return ok(null);
}
