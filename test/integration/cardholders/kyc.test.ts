import type { Knex } from 'knex';
import { advanceKyc } from '../../../services/cardholders/advance-kyc';
import { createCardholder } from '../../../services/cardholders/create-cardholder';
import { handleKycHint } from '../../../services/cardholders/handle-kyc-hint';
import { listCardholders } from '../../../services/cardholders/list-cardholders';
import { showCardholder } from '../../../services/cardholders/show-cardholder';
import { submitKyc } from '../../../services/cardholders/submit-kyc';
import { createKnex } from '../../../services/database/knex';
import { newId } from '../../../services/database/new-id';
import { inOrganization } from '../../../services/database/transaction';
import { createLocalKeyProvider } from '../../../services/providers/keys/local-key-provider';
import type { KycApplicantInput, KycDocument, KycVendor, KycVerdict } from '../../../services/providers/kyc/port';
import { createSpendingWorld } from '../../builders/spending-world';
import { createTestDatabase, type TestDatabase } from '../../setup/database';

const PERSON = {
  firstName: 'Amélie',
  lastName: 'Canary-Nachname',
  dateOfBirth: '1990-02-28',
  email: 'Amelie.Canary@example.com',
  residenceCountry: 'DEU',
  nationality: 'FRA',
  timeZone: 'Europe/Berlin',
};

const PASSPORT: KycDocument = {
  type: 'passport',
  country: 'FRA',
  fileName: 'passport.jpg',
  contentType: 'image/jpeg',
  content: Buffer.from('canary-scan-of-a-passport'),
};

/** A vendor that remembers what it was sent and says what it is told to say. */
function fakeVendor() {
  const applicants: KycApplicantInput[] = [];
  const documents: KycDocument[] = [];
  const log: string[] = [];
  let verdict: KycVerdict = { kind: 'in_progress', status: 'pending' };
  let lose: string | null = null;
  const happened = (what: string): boolean => {
    log.push(what);
    if (lose !== what) return true;
    lose = null;
    return false;
  };
  const unknown = { kind: 'unknown', detail: 'no answer in time' } as const;
  const vendor: KycVendor = {
    vendor: 'sumsub',
    async createApplicant(input) {
      if (!applicants.some(({ externalUserId }) => externalUserId === input.externalUserId)) applicants.push(input);
      return happened('applicant')
        ? { kind: 'ok', value: { applicantId: `applicant-${input.externalUserId}` } }
        : unknown;
    },
    async addDocument(_applicantId, document) {
      documents.push(document);
      return happened('document') ? { kind: 'ok', value: { documentId: `document-${documents.length}` } } : unknown;
    },
    async requestCheck() {
      verdict = { kind: 'in_progress', status: 'pending' };
      return happened('check') ? { kind: 'ok', value: null } : unknown;
    },
    async verdict() {
      log.push('verdict');
      return { kind: 'ok', value: verdict };
    },
  };
  return {
    vendor,
    applicants,
    documents,
    log,
    decides: (next: KycVerdict) => {
      verdict = next;
    },
    losesAnswerTo: (what: 'applicant' | 'document' | 'check') => {
      lose = what;
    },
  };
}

describe('cardholders', () => {
  const keys = createLocalKeyProvider(Buffer.alloc(32, 3));
  let database: TestDatabase;
  let knex: Knex;
  let superuser: Knex;
  let organizationId: string;
  let programId: string;

  beforeAll(async () => {
    database = await createTestDatabase();
    knex = createKnex(database.urls.escudo_app, 4, 'test-app');
    superuser = createKnex(database.superuserUrl, 2, 'test-superuser');
    ({ organizationId, programId } = await createSpendingWorld(database.superuserUrl, { accounts: 0 }));
  });

  afterAll(async () => {
    await Promise.all([knex.destroy(), superuser.destroy()]);
    await database.drop();
  });

  const create = (changes: Partial<typeof PERSON> & { readonly externalId?: string } = {}) =>
    inOrganization(knex, organizationId, (trx) =>
      createCardholder(trx, { keys }, { organizationId, programId, ...PERSON, ...changes }),
    );

  async function created(): Promise<string> {
    const result = await create();
    if (!result.ok) throw new Error(result.error.detail);
    return result.value.id;
  }

  const submit = (cardholderId: string, vendor: KycVendor, documents: readonly KycDocument[] = [PASSPORT]) =>
    inOrganization(knex, organizationId, (trx) =>
      submitKyc(trx, { keys, kyc: vendor }, { organizationId, cardholderId, documents }),
    );

  async function view(cardholderId: string) {
    const shown = await inOrganization(knex, organizationId, (trx) =>
      showCardholder(trx, { keys }, { organizationId, cardholderId }),
    );
    if (!shown.ok) throw new Error(shown.error.detail);
    return shown.value;
  }

  const advance = (cardholderId: string, vendor: KycVendor, look = 0) =>
    advanceKyc({ knex, keys, kyc: vendor, kycLevelName: 'basic' }, { organizationId, cardholderId }, look);

  it('keeps personal data readable for the fintech and unreadable in the database', async () => {
    const cardholderId = await created();
    expect(await view(cardholderId)).toMatchObject({ ...PERSON, kyc: { state: 'not_started' } });
    const row = await superuser('cardholders').where({ id: cardholderId }).first();
    const events = await superuser('events').where({ resource_id: cardholderId });
    const stored = JSON.stringify([row, events], (_key, value: unknown) =>
      typeof value === 'object' && value !== null && 'data' in value && Array.isArray(value.data)
        ? Buffer.from(value.data as number[]).toString('latin1')
        : value,
    );
    for (const secret of ['Canary', 'Amelie', 'Amélie', '1990-02-28']) expect(stored).not.toContain(secret);
  });

  it('does not open data that was moved to another row', async () => {
    const [one, other] = [await created(), await created()];
    const row = await superuser('cardholders').where({ id: one }).first('personal_data', 'personal_data_key');
    await superuser('cardholders').where({ id: other }).update(row);
    await expect(view(other)).rejects.toThrow();
    await superuser('cardholders').where({ id: other }).delete();
  });

  it('gives the same e-mail the same index, and other organizations another', async () => {
    const [one, other] = [await created(), await created()];
    const index = async (id: string) =>
      (await superuser('cardholders').where({ id }).first<{ email_index: Buffer }>('email_index')).email_index;
    expect(await index(one)).toEqual(await index(other));
    const foreign = await createSpendingWorld(database.superuserUrl, { accounts: 0 });
    const theirs = await inOrganization(knex, foreign.organizationId, (trx) =>
      createCardholder(
        trx,
        { keys },
        { ...PERSON, organizationId: foreign.organizationId, programId: foreign.programId },
      ),
    );
    if (!theirs.ok) throw new Error(theirs.error.detail);
    expect(await index(theirs.value.id)).not.toEqual(await index(one));
  });

  it.each([
    [{ residenceCountry: 'IRN' }, '/residence_country'],
    [{ nationality: 'PRK' }, '/nationality'],
    [{ residenceCountry: 'CHN' }, '/residence_country'],
    [{ residenceCountry: 'AUS' }, '/residence_country'],
  ])('refuses %j before anything is stored', async (change, pointer) => {
    const count = async () => (await superuser('cardholders').count('* as n').first())?.['n'];
    const before = await count();
    expect(await create(change)).toMatchObject({ ok: false, error: { code: 'country_not_allowed', pointer } });
    expect(await count()).toBe(before);
  });

  it('serves a national of a country whose residents are barred, living elsewhere', async () => {
    expect(await create({ nationality: 'CHN' })).toMatchObject({ ok: true });
  });

  it('refuses an external id twice, an unknown time zone and an unknown program', async () => {
    expect(await create({ externalId: 'user-1' })).toMatchObject({ ok: true });
    expect(await create({ externalId: 'user-1' })).toMatchObject({ ok: false, error: { code: 'already_exists' } });
    expect(await create({ timeZone: 'Mars/Olympus' })).toMatchObject({
      ok: false,
      error: { code: 'invalid_parameter' },
    });
    const elsewhere = await inOrganization(knex, organizationId, (trx) =>
      createCardholder(trx, { keys }, { ...PERSON, organizationId, programId: newId() }),
    );
    expect(elsewhere).toMatchObject({ ok: false, error: { code: 'not_found' } });
  });

  it('goes from documents to approval, and forgets the documents once the vendor holds them', async () => {
    const fake = fakeVendor();
    const cardholderId = await created();
    expect(await submit(cardholderId, fake.vendor)).toMatchObject({ ok: true, value: { kyc: { state: 'pending' } } });
    const sealed = await superuser('kyc_documents').where({ cardholder_id: cardholderId }).first('content');
    expect(sealed.content.toString('latin1')).not.toContain('canary');
    expect((await advance(cardholderId, fake.vendor)).done).toBe(false);
    expect(fake.documents[0]?.content.toString()).toBe('canary-scan-of-a-passport');
    expect(fake.applicants[0]).toMatchObject({
      externalUserId: cardholderId,
      lastName: 'Canary-Nachname',
      country: 'DEU',
    });
    expect(await superuser('kyc_documents').where({ cardholder_id: cardholderId }).first('content')).toEqual({
      content: null,
    });
    expect(await view(cardholderId)).toMatchObject({ kyc: { state: 'in_review' } });

    expect((await advance(cardholderId, fake.vendor)).done).toBe(false);
    fake.decides({ kind: 'approved' });
    expect(await advance(cardholderId, fake.vendor)).toEqual({ done: true, waitMs: null });
    expect(await view(cardholderId)).toMatchObject({ kyc: { state: 'approved' } });
    const types = await superuser('events').where({ resource_id: cardholderId }).orderBy('id').pluck('type');
    expect(types).toEqual([
      'cardholder.created',
      'cardholder.kyc.submitted',
      'cardholder.kyc.in_review',
      'cardholder.kyc.approved',
    ]);
  });

  it.each(['applicant', 'document', 'check'] as const)('goes on when the answer to "%s" was lost', async (what) => {
    const fake = fakeVendor();
    const cardholderId = await created();
    await submit(cardholderId, fake.vendor);
    fake.losesAnswerTo(what);
    expect((await advance(cardholderId, fake.vendor)).done).toBe(false);
    expect(await view(cardholderId)).toMatchObject({ kyc: { state: 'pending' } });
    await advance(cardholderId, fake.vendor, 1);
    expect(await view(cardholderId)).toMatchObject({ kyc: { state: 'in_review' } });
    expect(fake.applicants).toHaveLength(1);
  });

  it('waits for better documents when asked for them, and takes them', async () => {
    const fake = fakeVendor();
    const cardholderId = await created();
    await submit(cardholderId, fake.vendor);
    await advance(cardholderId, fake.vendor);
    fake.decides({ kind: 'resubmission_required', reasons: ['blurred'], message: 'The photo is blurred.' });
    expect(await advance(cardholderId, fake.vendor)).toEqual({ done: false, waitMs: null });
    expect(await view(cardholderId)).toMatchObject({
      kyc: { state: 'resubmission_required', reasons: ['blurred'], message: 'The photo is blurred.', submission: 1 },
    });
    expect(await submit(cardholderId, fake.vendor)).toMatchObject({
      ok: true,
      value: { kyc: { state: 'pending', reasons: [], submission: 2 } },
    });
    // The verdict on the first documents must not end the review of the second ones.
    await advance(cardholderId, fake.vendor);
    expect(await view(cardholderId)).toMatchObject({ kyc: { state: 'in_review' } });
    fake.decides({ kind: 'approved' });
    expect((await advance(cardholderId, fake.vendor)).done).toBe(true);
    expect(await view(cardholderId)).toMatchObject({ kyc: { state: 'approved' } });
    const commands = await superuser('outbox_commands').where({ workflow_id: `kyc:${cardholderId}` });
    expect(commands.map(({ signal }) => signal)).toEqual(['documentsSubmitted', 'documentsSubmitted']);
  });

  it('ends a final rejection, after which nothing can be handed in', async () => {
    const fake = fakeVendor();
    const cardholderId = await created();
    await submit(cardholderId, fake.vendor);
    await advance(cardholderId, fake.vendor);
    fake.decides({ kind: 'rejected', reasons: ['forgery'], message: 'Forged document.' });
    expect((await advance(cardholderId, fake.vendor)).done).toBe(true);
    expect(await view(cardholderId)).toMatchObject({ kyc: { state: 'rejected', reasons: ['forgery'] } });
    expect(await submit(cardholderId, fake.vendor)).toMatchObject({ ok: false, error: { code: 'state_conflict' } });
    fake.decides({ kind: 'approved' });
    await advance(cardholderId, fake.vendor);
    expect(await view(cardholderId)).toMatchObject({ kyc: { state: 'rejected' } });
  });

  it('takes an approval back when the vendor learns more', async () => {
    const fake = fakeVendor();
    const cardholderId = await created();
    await submit(cardholderId, fake.vendor);
    await advance(cardholderId, fake.vendor);
    fake.decides({ kind: 'approved' });
    await advance(cardholderId, fake.vendor);
    fake.decides({ kind: 'rejected', reasons: ['sanctions'], message: 'Listed.' });
    await advance(cardholderId, fake.vendor);
    expect(await view(cardholderId)).toMatchObject({ kyc: { state: 'rejected' } });
  });

  it('never guesses a verdict that it does not know', async () => {
    const fake = fakeVendor();
    const cardholderId = await created();
    await submit(cardholderId, fake.vendor);
    await advance(cardholderId, fake.vendor);
    fake.decides({ kind: 'unrecognized', detail: 'reviewAnswer PURPLE' });
    expect((await advance(cardholderId, fake.vendor)).done).toBe(false);
    expect(await view(cardholderId)).toMatchObject({ kyc: { state: 'in_review', message: 'reviewAnswer PURPLE' } });
  });

  it('refuses a second submission while the first is on its way, and one without documents', async () => {
    const fake = fakeVendor();
    const cardholderId = await created();
    expect(await submit(cardholderId, fake.vendor, [])).toMatchObject({
      ok: false,
      error: { code: 'invalid_parameter' },
    });
    await submit(cardholderId, fake.vendor);
    expect(await submit(cardholderId, fake.vendor)).toMatchObject({ ok: false, error: { code: 'state_conflict' } });
    expect(await submit(newId(), fake.vendor)).toMatchObject({ ok: false, error: { code: 'not_found' } });
  });

  it('turns a hint into a signal, and one about nobody into nothing', async () => {
    const fake = fakeVendor();
    const cardholderId = await created();
    await submit(cardholderId, fake.vendor);
    const hint = { messageId: 'm', applicantId: 'a', externalUserId: cardholderId, type: 'applicantReviewed' };
    expect(await handleKycHint({ knex, kyc: fake.vendor }, hint)).toEqual({ kind: 'handled' });
    const commands = await superuser('outbox_commands')
      .where({ workflow_id: `kyc:${cardholderId}` })
      .orderBy('id');
    expect(commands.map(({ signal }) => signal)).toEqual(['documentsSubmitted', 'kycHint']);
    expect(await handleKycHint({ knex, kyc: fake.vendor }, { ...hint, externalUserId: newId() })).toEqual({
      kind: 'unknown_reference',
    });
  });

  it('is listed to its own organization only', async () => {
    const own = await inOrganization(knex, organizationId, (trx) =>
      listCardholders(trx, { keys }, { organizationId, externalId: 'user-1', page: { limit: 10 } }),
    );
    expect(own.data.map(({ externalId }) => externalId)).toEqual(['user-1']);
    const foreign = await createSpendingWorld(database.superuserUrl, { accounts: 0 });
    const theirs = await inOrganization(knex, foreign.organizationId, (trx) =>
      listCardholders(trx, { keys }, { organizationId: foreign.organizationId, page: { limit: 10 } }),
    );
    expect(theirs).toEqual({ data: [], hasMore: false });
  });
});
