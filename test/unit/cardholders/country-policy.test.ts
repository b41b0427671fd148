import {
  checkCountries,
  RESIDENCE_BARRED_COUNTRIES,
  SANCTIONED_COUNTRIES,
} from '../../../services/cardholders/rules/country-policy';

const everywhere = [...SANCTIONED_COUNTRIES, ...RESIDENCE_BARRED_COUNTRIES, 'DEU', 'HKG'];

describe('countries', () => {
  it.each(SANCTIONED_COUNTRIES)(
    '%s is served neither as residence nor as nationality, whatever a program allows',
    (country) => {
      const allowed = { allowedResidenceCountries: everywhere };
      expect(checkCountries({ ...allowed, residenceCountry: country, nationality: 'DEU' })).toEqual({
        ok: false,
        error: { field: 'residence_country', reason: 'sanctioned' },
      });
      expect(checkCountries({ ...allowed, residenceCountry: 'DEU', nationality: country })).toEqual({
        ok: false,
        error: { field: 'nationality', reason: 'sanctioned' },
      });
    },
  );

  it('residents of mainland China are not served, its nationals elsewhere and residents of Hong Kong are', () => {
    const allowed = { allowedResidenceCountries: everywhere };
    expect(checkCountries({ ...allowed, residenceCountry: 'CHN', nationality: 'DEU' })).toMatchObject({
      error: { reason: 'residence_barred' },
    });
    expect(checkCountries({ ...allowed, residenceCountry: 'DEU', nationality: 'CHN' })).toMatchObject({ ok: true });
    expect(checkCountries({ ...allowed, residenceCountry: 'HKG', nationality: 'CHN' })).toMatchObject({ ok: true });
  });

  it('a program serves only the residences it lists; nationality does not matter to it', () => {
    const question = { residenceCountry: 'DEU', nationality: 'BRA', allowedResidenceCountries: ['DEU'] };
    expect(checkCountries(question)).toEqual({ ok: true, value: null });
    expect(checkCountries({ ...question, residenceCountry: 'FRA' })).toEqual({
      ok: false,
      error: { field: 'residence_country', reason: 'not_in_program' },
    });
    expect(checkCountries({ ...question, allowedResidenceCountries: [] })).toMatchObject({ ok: false });
  });
});
