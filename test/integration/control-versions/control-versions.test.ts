import type { Knex } from 'knex';
import { loadAssetCatalog } from '../../../services/assets/load-asset-catalog';
import type { SpendControls } from '../../../services/cards/rules/spend-controls';
import { changeControls } from '../../../services/control-versions/change-controls';
import { discardControls } from '../../../services/control-versions/discard-controls';
import { type DraftControlsDeps, draftControls } from '../../../services/control-versions/draft-controls';
import { promoteControls } from '../../../services/control-versions/promote-controls';
import { listControlVersions, showControlVersion } from '../../../services/control-versions/read-versions';
import { rollBackControls } from '../../../services/control-versions/roll-back-controls';
import { takeEffectOfControls } from '../../../services/control-versions/take-effect-of-controls';
import type { WantedControls } from '../../../services/control-versions/wanted-controls';
import { createKnex } from '../../../services/database/knex';
import { newId } from '../../../services/database/new-id';
import { inOrganization, type Transaction } from '../../../services/database/transaction';
import type { Refusal } from '../../../services/shared/refusal';
import type { Result } from '../../../services/shared/result';
import { createSpendingWorld, type SpendingWorld } from '../../builders/spending-world';
import { createTestDatabase, type TestDatabase } from '../../setup/database';

const HOUR_MS = 3_600_000;
const KEY = newId();

describe('control versions', () => {
  let database: TestDatabase;
  let knex: Knex;
  let workerKnex: Knex;
  let superuser: Knex;
  let world: SpendingWorld;
  let organizationId: string;
  let cardId: string;
  let accountId: string;
  let now: Date;
  let deps: DraftControlsDeps;

  beforeAll(async () => {
    database = await createTestDatabase();
    knex = createKnex(database.urls.escudo_app, 4, 'test-app');
    workerKnex = createKnex(database.urls.escudo_worker, 2, 'test-worker');
    superuser = createKnex(database.superuserUrl, 2, 'test-superuser');
    const assets = await loadAssetCatalog(knex);
    deps = { assets, clock: { now: () => now } };
  });

  afterAll(async () => {
    await Promise.all([knex.destroy(), workerKnex.destroy(), superuser.destroy()]);
    await database.drop();
  });

  async function begin(coolingOffHours: number): Promise<void> {
    world = await createSpendingWorld(database.superuserUrl, {
      accounts: 1,
      policy: { controls_cooling_off_hours: coolingOffHours },
    });
    organizationId = world.organizationId;
    cardId = world.accounts[0]?.cardId ?? '';
    accountId = world.accounts[0]?.accountId ?? '';
    now = new Date('2026-11-20T12:00:00Z');
  }

  beforeEach(() => begin(24));

  const inside = <T>(work: (trx: Transaction) => Promise<T>) => inOrganization(knex, organizationId, work);

  function expectOk<T>(result: Result<T, Refusal>): T {
    if (!result.ok) throw new Error(`${result.error.code}: ${result.error.detail}`);
    return result.value;
  }

  const forCard = (controls: SpendControls): WantedControls => ({ kind: 'card', cardId, controls });
  const limit = (amount: string): SpendControls => ({ limits: { day_amount: amount } });

  const draft = async (wanted: WantedControls) =>
    expectOk(await inside((trx) => draftControls(trx, deps, { organizationId, wanted, note: 'why', createdBy: KEY })));
  const promote = (versionId: string, force = false) =>
    inside((trx) => promoteControls(trx, deps, { organizationId, versionId, force, promotedBy: KEY }));
  const change = async (wanted: WantedControls) =>
    expectOk(await inside((trx) => changeControls(trx, deps, { organizationId, wanted, note: '', createdBy: KEY })));
  const show = async (versionId: string) =>
    expectOk(await inside((trx) => showControlVersion(trx, { organizationId, versionId })));
  const history = async () => {
    const page = await inside((trx) =>
      listControlVersions(trx, { organizationId, scope: { kind: 'card', id: cardId }, page: { limit: 100 } }),
    );
    return page.data.map(({ version, state }) => `${version} ${state}`);
  };
  const card = () => superuser('cards').where({ id: cardId }).first('controls', 'controls_version', 'pending_controls');
  const accountVersion = async (): Promise<bigint> =>
    (await superuser('accounts').where({ id: accountId }).first('version')).version;
  const events = async (): Promise<string[]> =>
    (await superuser('events').where({ organization_id: organizationId }).orderBy('id').select('type')).map(
      (event: { type: string }) => event.type,
    );

  it('a draft changes nothing and shows what it would', async () => {
    const version = await draft(forCard(limit('5000')));
    expect(version).toMatchObject({ version: 2, state: 'draft', base_version: 1, note: 'why', created_by: KEY });
    expect(await card()).toMatchObject({ controls: {}, controls_version: 1, pending_controls: null });
    const shown = await show(version.id);
    expect(shown.activeVersion).toBe(1);
    expect(shown.diff).toEqual([{ pointer: '/limits', from: null, to: { day_amount: '5000' } }]);
  });

  it('a tighter one applies at once, and every authorization decided before has to be decided again', async () => {
    const before = await accountVersion();
    const promoted = expectOk(await promote((await draft(forCard(limit('5000')))).id));
    expect(promoted).toMatchObject({ state: 'active', promoted_by: KEY, applied_version: 2, effective_at: now });
    expect(await card()).toEqual({ controls: limit('5000'), controls_version: 2, pending_controls: null });
    expect(await accountVersion()).toBeGreaterThan(before);
    expect(await history()).toEqual(['2 active', '1 superseded']);
    expect(await events()).toEqual([
      'control_version.drafted',
      'card.controls_changed',
      'control_version.promoted',
      'controls.changed',
    ]);
  });

  it('a looser one waits for the cooling-off, then takes effect by the sweeper', async () => {
    await change(forCard(limit('5000')));
    const raise = await change(forCard(limit('9000')));
    const due = new Date(now.getTime() + 24 * HOUR_MS);
    expect(raise).toMatchObject({ state: 'scheduled', effective_at: due });
    expect(await card()).toMatchObject({
      controls: limit('5000'),
      pending_controls: { controls: limit('9000'), effective_at: due.toISOString() },
    });
    expect(await history()).toEqual(['3 scheduled', '2 active', '1 superseded']);

    now = new Date(due.getTime() - 1);
    await takeEffectOfControls({ knex, workerKnex, clock: deps.clock });
    expect(await history()).toEqual(['3 scheduled', '2 active', '1 superseded']);

    now = due;
    const told = (await events()).length;
    await takeEffectOfControls({ knex, workerKnex, clock: deps.clock });
    expect(await takeEffectOfControls({ knex, workerKnex, clock: deps.clock })).toBe(0);
    expect(await card()).toMatchObject({ controls: limit('9000'), pending_controls: null });
    expect(await history()).toEqual(['3 active', '2 superseded', '1 superseded']);
    expect((await events()).slice(told)).toEqual(['card.controls_changed', 'controls.changed']);
  });

  it('a mixed one is split', async () => {
    await change(forCard({ limits: { day_amount: '5000', month_amount: '90000' } }));
    await change(forCard({ limits: { day_amount: '8000', month_amount: '60000' } }));
    expect(await card()).toMatchObject({
      controls: { limits: { day_amount: '5000', month_amount: '60000' } },
      pending_controls: { controls: { limits: { day_amount: '8000', month_amount: '60000' } } },
    });
  });

  it('lowering while a raise waits applies at once and replaces the raise', async () => {
    await change(forCard(limit('5000')));
    await change(forCard(limit('9000')));
    await change(forCard(limit('3000')));
    expect(await card()).toMatchObject({ controls: limit('3000'), pending_controls: null });
    expect(await history()).toEqual(['4 active', '3 superseded', '2 superseded', '1 superseded']);
  });

  it('a raise that is asked for again keeps its deadline', async () => {
    await change(forCard(limit('5000')));
    const first = await change(forCard(limit('9000')));
    now = new Date(now.getTime() + 5 * HOUR_MS);
    const second = await change(forCard(limit('8000')));
    expect(second).toMatchObject({ state: 'scheduled', effective_at: first.effective_at });
    expect(await history()).toEqual(['4 scheduled', '3 superseded', '2 active', '1 superseded']);
  });

  it('a scheduled one can be discarded: what it tightened stays', async () => {
    await change(forCard({ limits: { day_amount: '5000', month_amount: '90000' } }));
    const mixed = await change(forCard({ limits: { day_amount: '8000', month_amount: '60000' } }));
    expectOk(
      await inside((trx) => discardControls(trx, deps, { organizationId, versionId: mixed.id, discardedBy: KEY })),
    );
    const kept = { limits: { day_amount: '5000', month_amount: '60000' } };
    expect(await card()).toMatchObject({ controls: kept, pending_controls: null });
    expect(await history()).toEqual(['4 active', '3 discarded', '2 superseded', '1 superseded']);
    now = new Date(now.getTime() + 48 * HOUR_MS);
    await takeEffectOfControls({ knex, workerKnex, clock: deps.clock });
    expect(await card()).toMatchObject({ controls: kept, pending_controls: null });
    expect(await history()).toEqual(['4 active', '3 discarded', '2 superseded', '1 superseded']);
  });

  it('a change after the deadline builds on what has taken effect, swept or not', async () => {
    await change(forCard(limit('5000')));
    await change(forCard(limit('9000')));
    now = new Date(now.getTime() + 25 * HOUR_MS);
    const lowered = await change(forCard(limit('8000')));
    expect(lowered.state).toBe('active');
    expect(await card()).toMatchObject({ controls: limit('8000'), pending_controls: null });
    expect(await history()).toEqual(['4 active', '3 superseded', '2 superseded', '1 superseded']);
  });

  it('is refused when a newer one was promoted since, and says what to do', async () => {
    const stale = await draft(forCard(limit('4000')));
    await change(forCard(limit('6000')));
    const refused = await promote(stale.id);
    expect(refused).toMatchObject({ ok: false, error: { code: 'state_conflict' } });
    if (!refused.ok) {
      expect(refused.error.detail).toContain('Version 3');
      expect(refused.error.detail).toContain('"force": true');
    }
    expect(await card()).toMatchObject({ controls: limit('6000') });
    expect(expectOk(await promote(stale.id, true)).state).toBe('active');
    expect(await card()).toMatchObject({ controls: limit('4000') });
    expect(await promote(stale.id, true)).toMatchObject({ ok: false, error: { code: 'state_conflict' } });
  });

  it('is refused when the version it was drafted on was discarded since, and says so', async () => {
    const told = async (versionId: string): Promise<string> => {
      const refused = await promote(versionId);
      if (refused.ok) throw new Error('it was promoted');
      expect(refused.error.code).toBe('state_conflict');
      return refused.error.detail;
    };
    await change(forCard(limit('5000')));
    const raise = await change(forCard(limit('9000')));
    const next = await draft(forCard({ ...limit('9000'), blocked_channels: ['atm'] }));
    expectOk(
      await inside((trx) => discardControls(trx, deps, { organizationId, versionId: raise.id, discardedBy: KEY })),
    );
    expect(await told(next.id)).toBe(
      'Version 3, on which this draft was made, was discarded since, and version 2 is in its place: make a new draft on version 2, or promote this one with "force": true.',
    );
    // An older draft that is promoted all the same is the newest promoted, whatever its number.
    const older = await draft(forCard(limit('4000')));
    await change(forCard(limit('3000')));
    const another = await draft(forCard(limit('2000')));
    expectOk(await promote(older.id, true));
    expect(await told(another.id)).toMatch(/^Version 5 was promoted after this draft was made on version 6, /);
    expect(await told(next.id)).toMatch(/^Version 3, .* was discarded since, and version 5 is in its place/);
    expect(expectOk(await promote(next.id, true)).state).toBe('scheduled');
  });

  it('rolls back to an older document as a new version; what that loosens waits', async () => {
    const first = await change(forCard(limit('5000')));
    await change(forCard({ ...limit('5000'), blocked_channels: ['atm'] }));
    const back = expectOk(
      await inside((trx) =>
        rollBackControls(trx, deps, { organizationId, versionId: first.id, note: 'too strict', promotedBy: KEY }),
      ),
    );
    expect(back).toMatchObject({ version: 4, state: 'scheduled', restores_version: 2, document: limit('5000') });
    expect(await card()).toMatchObject({ controls: { ...limit('5000'), blocked_channels: ['atm'] } });
    now = new Date(now.getTime() + 24 * HOUR_MS);
    await takeEffectOfControls({ knex, workerKnex, clock: deps.clock });
    expect(await card()).toMatchObject({ controls: limit('5000'), pending_controls: null });
  });

  it('never rolls back to what was never in force', async () => {
    const version = await draft(forCard(limit('5000')));
    const refused = await inside((trx) =>
      rollBackControls(trx, deps, { organizationId, versionId: version.id, note: '', promotedBy: KEY }),
    );
    expect(refused).toMatchObject({ ok: false, error: { code: 'state_conflict' } });
  });

  it('a discarded draft is out of the way for good', async () => {
    const version = await draft(forCard(limit('5000')));
    const discard = () =>
      inside((trx) => discardControls(trx, deps, { organizationId, versionId: version.id, discardedBy: KEY }));
    expect(expectOk(await discard()).state).toBe('discarded');
    expect(expectOk(await discard()).state).toBe('discarded');
    expect(await promote(version.id)).toMatchObject({ ok: false, error: { code: 'state_conflict' } });
  });

  it('applies at once where the program has no cooling-off', async () => {
    await begin(0);
    await change(forCard(limit('5000')));
    expect((await change(forCard(limit('9000')))).state).toBe('active');
    expect(await card()).toMatchObject({ controls: limit('9000'), pending_controls: null });
  });

  it('holds the controls of an account in the same way', async () => {
    const forAccount = (controls: SpendControls): WantedControls => ({ kind: 'account', accountId, controls });
    const before = await accountVersion();
    await change(forAccount(limit('5000')));
    expect((await change(forAccount(limit('7000')))).state).toBe('scheduled');
    const row = await superuser('accounts')
      .where({ id: accountId })
      .first('controls', 'controls_version', 'pending_controls', 'version');
    expect(row).toMatchObject({
      controls: limit('5000'),
      controls_version: 3,
      pending_controls: { controls: limit('7000') },
    });
    expect(row.version).toBeGreaterThan(before);
  });

  it("holds a program's whole policy, and moves the version that decisions name", async () => {
    const { programId } = world;
    const wanted: WantedControls = { kind: 'program', programId, patch: { partial_approvals: true } };
    const version = await draft(wanted);
    expect((await show(version.id)).diff).toEqual([{ pointer: '/partial_approvals', from: false, to: true }]);
    const promoted = expectOk(await promote(version.id));
    expect(promoted).toMatchObject({ state: 'active', applied_version: 2 });
    const program = await superuser('programs').where({ id: programId }).first('policy_version', 'version');
    expect(program).toMatchObject({ policy_version: 2 });
    expect(Number(program.version)).toBeGreaterThan(0);
    const stored = await superuser('program_policies').where({ program_id: programId, version: 2 }).first('document');
    expect(stored.document).toMatchObject({ partial_approvals: true, controls_cooling_off_hours: 24 });

    const [baseline] = (
      await inside((trx) =>
        listControlVersions(trx, {
          organizationId,
          scope: { kind: 'program', id: programId },
          state: 'superseded',
          page: { limit: 1 },
        }),
      )
    ).data;
    const back = expectOk(
      await inside((trx) =>
        rollBackControls(trx, deps, { organizationId, versionId: baseline?.id ?? '', note: '', promotedBy: KEY }),
      ),
    );
    expect(back).toMatchObject({ version: 3, state: 'active', applied_version: 3, restores_version: 1 });
  });

  it('a change to what was promoted last is none', async () => {
    await change(forCard(limit('5000')));
    const raise = await change(forCard(limit('9000')));
    now = new Date(now.getTime() + HOUR_MS);
    expect(await change(forCard(limit('9000')))).toEqual(raise);
    expect(await history()).toEqual(['3 scheduled', '2 active', '1 superseded']);
  });

  it('what was changed past the versions becomes one of them', async () => {
    await change(forCard(limit('5000')));
    await superuser('cards')
      .where({ id: cardId })
      .update({ controls: JSON.stringify(limit('1000')), controls_version: 9 });
    const version = await draft(forCard(limit('500')));
    expect(version.base_version).toBe(3);
    expect((await show(version.id)).diff).toEqual([{ pointer: '/limits/day_amount', from: '1000', to: '500' }]);
    expect(await history()).toEqual(['4 draft', '3 active', '2 superseded', '1 superseded']);
  });

  it('two promotions at the same time leave one active version', async () => {
    const [one, other] = [await draft(forCard(limit('5000'))), await draft(forCard(limit('4000')))];
    const results = await Promise.all([promote(one.id), promote(other.id)]);
    expect(results.filter((result) => result.ok)).toHaveLength(1);
    const states = await superuser('control_versions').where({ scope_id: cardId, state: 'active' });
    expect(states).toHaveLength(1);
  });

  it('is not found from another organization', async () => {
    const version = await draft(forCard(limit('5000')));
    const other = await createSpendingWorld(database.superuserUrl, { accounts: 1 });
    const asOther = { organizationId: other.organizationId, versionId: version.id };
    const found = await inOrganization(knex, other.organizationId, (trx) => showControlVersion(trx, asOther));
    expect(found).toMatchObject({ ok: false, error: { code: 'not_found' } });
    const promoted = await inOrganization(knex, other.organizationId, (trx) =>
      promoteControls(trx, deps, { ...asOther, force: true, promotedBy: null }),
    );
    expect(promoted).toMatchObject({ ok: false, error: { code: 'not_found' } });
  });
});
