import type { Knex } from 'knex';
import { advanceCard } from '../../../services/cards/advance-card';
import { issueCard } from '../../../services/cards/issue-card';
import { setCardState } from '../../../services/cards/set-card-state';
import { showCard } from '../../../services/cards/show-card';
import { updateCardControls } from '../../../services/cards/update-card-controls';
import { createKnex } from '../../../services/database/knex';
import { newId } from '../../../services/database/new-id';
import { inOrganization } from '../../../services/database/transaction';
import type { Processor, ProcessorCard, VendorOutcome } from '../../../services/providers/processor/port';
import { createSpendingWorld, type SpendingWorld } from '../../builders/spending-world';
import { createTestDatabase, type TestDatabase } from '../../setup/database';

/** A processor that can lose its answers: what it was asked has happened all the same. */
function fakeProcessor() {
  const byKey = new Map<string, ProcessorCard>();
  const calls: string[] = [];
  let next: 'ok' | 'lost' | 'rejected' = 'ok';
  const answer = <T>(value: T): VendorOutcome<T> => {
    const how = next;
    next = 'ok';
    if (how === 'ok') return { kind: 'ok', value };
    return { kind: 'unknown', detail: 'no answer in time' };
  };
  const processor: Processor = {
    vendor: 'lithic',
    async createCard({ idempotencyKey }) {
      calls.push('create');
      if (next === 'rejected') {
        next = 'ok';
        return { kind: 'rejected', code: 'invalid_program', detail: 'no such card program' };
      }
      const card: ProcessorCard = byKey.get(idempotencyKey) ?? {
        cardToken: `token-${idempotencyKey}`,
        lastFour: '4242',
        expiryMonth: 12,
        expiryYear: 2031,
        state: 'active',
        network: 'visa',
      };
      byKey.set(idempotencyKey, card);
      return answer(card);
    },
    async findCard(idempotencyKey) {
      calls.push('find');
      return { kind: 'ok', value: byKey.get(idempotencyKey) ?? null };
    },
    async getCard() {
      throw new Error('not asked in these tests');
    },
    async setCardState(cardToken, state) {
      calls.push(`set ${state}`);
      const [key, card] = [...byKey].find(([, each]) => each.cardToken === cardToken) ?? [];
      if (key === undefined || card === undefined) return { kind: 'rejected', code: 'not_found', detail: 'no card' };
      const changed = { ...card, state };
      byKey.set(key, changed);
      return answer(changed);
    },
    async findRequest() {
      throw new Error('not asked in these tests');
    },
    async settlementSummary() {
      throw new Error('not asked in these tests');
    },
  };
  return {
    processor,
    calls,
    cards: byKey,
    willBe: (how: 'lost' | 'rejected') => {
      next = how;
    },
  };
}

describe('cards', () => {
  let database: TestDatabase;
  let knex: Knex;
  let superuser: Knex;
  let world: SpendingWorld;
  let organizationId: string;
  let accountId: string;

  beforeAll(async () => {
    database = await createTestDatabase();
    knex = createKnex(database.urls.escudo_app, 4, 'test-app');
    superuser = createKnex(database.superuserUrl, 2, 'test-superuser');
  });

  afterAll(async () => {
    await Promise.all([knex.destroy(), superuser.destroy()]);
    await database.drop();
  });

  beforeEach(async () => {
    world = await createSpendingWorld(database.superuserUrl, { accounts: 1 });
    organizationId = world.organizationId;
    accountId = world.accounts[0]?.accountId ?? '';
  });

  async function issue(): Promise<string> {
    const issued = await inOrganization(knex, organizationId, (trx) =>
      issueCard(trx, {}, { organizationId, accountId, kind: 'virtual', memo: 'travel' }),
    );
    if (!issued.ok) throw new Error(issued.error.detail);
    return issued.value.id;
  }

  async function row(cardId: string) {
    const shown = await inOrganization(knex, organizationId, (trx) => showCard(trx, { organizationId, cardId }));
    if (!shown.ok) throw new Error(shown.error.detail);
    return shown.value;
  }

  const set = (cardId: string, state: 'active' | 'paused' | 'closed') =>
    inOrganization(knex, organizationId, (trx) => setCardState(trx, {}, { organizationId, cardId, state }));

  const version = async () =>
    (await superuser('accounts').where({ id: accountId }).first<{ version: bigint }>('version')).version;

  it('is pending until the processor has made it, then active, routed and told of', async () => {
    const vendor = fakeProcessor();
    const cardId = await issue();
    expect(await row(cardId)).toMatchObject({ state: 'pending', card_token: null });
    expect(await advanceCard({ knex, processor: vendor.processor }, { organizationId, cardId }, 0)).toEqual({
      done: true,
      waitMs: 0,
    });
    expect(await row(cardId)).toMatchObject({ state: 'active', card_token: `token-${cardId}`, last_four: '4242' });
    const route = await superuser('card_routes')
      .where({ card_token: `token-${cardId}` })
      .first();
    expect(route).toMatchObject({
      vendor: 'lithic',
      organization_id: organizationId,
      card_id: cardId,
      account_id: accountId,
    });
    const types = await superuser('events').where({ resource_id: cardId }).orderBy('id').pluck('type');
    expect(types).toEqual(['card.created', 'card.issued']);
  });

  it('makes one card when the answer to the first attempt is lost', async () => {
    const vendor = fakeProcessor();
    const cardId = await issue();
    vendor.willBe('lost');
    const first = await advanceCard({ knex, processor: vendor.processor }, { organizationId, cardId }, 0);
    expect(first.done).toBe(false);
    expect(await row(cardId)).toMatchObject({ state: 'pending' });
    await advanceCard({ knex, processor: vendor.processor }, { organizationId, cardId }, 1);
    expect(vendor.calls).toEqual(['find', 'create', 'find']);
    expect(vendor.cards.size).toBe(1);
    expect(await row(cardId)).toMatchObject({ state: 'active' });
  });

  it('is closed with its reason when the processor refuses to make it', async () => {
    const vendor = fakeProcessor();
    const cardId = await issue();
    vendor.willBe('rejected');
    expect((await advanceCard({ knex, processor: vendor.processor }, { organizationId, cardId }, 0)).done).toBe(true);
    expect(await row(cardId)).toMatchObject({ state: 'closed', failure: 'invalid_program: no such card program' });
    const types = await superuser('events').where({ resource_id: cardId }).orderBy('id').pluck('type');
    expect(types).toEqual(['card.created', 'card.failed']);
  });

  it('pauses at once in our own decision, and tells the processor until it agrees', async () => {
    const vendor = fakeProcessor();
    const cardId = await issue();
    await advanceCard({ knex, processor: vendor.processor }, { organizationId, cardId }, 0);
    const before = await version();
    expect(await set(cardId, 'paused')).toMatchObject({
      ok: true,
      value: { state: 'paused', processor_state: 'active' },
    });
    expect(await version()).toBeGreaterThan(before);
    vendor.willBe('lost');
    expect((await advanceCard({ knex, processor: vendor.processor }, { organizationId, cardId }, 0)).done).toBe(false);
    expect((await advanceCard({ knex, processor: vendor.processor }, { organizationId, cardId }, 1)).done).toBe(true);
    expect(await row(cardId)).toMatchObject({ state: 'paused', processor_state: 'paused' });
    expect(vendor.calls.filter((call) => call === 'set paused')).toHaveLength(2);
    const commands = await superuser('outbox_commands')
      .where({ workflow_id: `card-issuance:${cardId}` })
      .orderBy('id');
    expect(commands.map(({ signal }) => signal)).toEqual([null, 'cardStateChanged']);
    // Asked again, there is nothing to tell.
    expect(await advanceCard({ knex, processor: vendor.processor }, { organizationId, cardId }, 0)).toEqual({
      done: true,
      waitMs: 0,
    });
  });

  it('closes at the processor too when it was closed while it was being made', async () => {
    const vendor = fakeProcessor();
    const cardId = await issue();
    vendor.willBe('lost');
    await advanceCard({ knex, processor: vendor.processor }, { organizationId, cardId }, 0);
    expect(await set(cardId, 'closed')).toMatchObject({ ok: true });
    let step = await advanceCard({ knex, processor: vendor.processor }, { organizationId, cardId }, 1);
    expect(step.done).toBe(false);
    step = await advanceCard({ knex, processor: vendor.processor }, { organizationId, cardId }, 2);
    expect(step.done).toBe(true);
    expect(await row(cardId)).toMatchObject({ state: 'closed', processor_state: 'closed' });
    expect([...vendor.cards.values()].map(({ state }) => state)).toEqual(['closed']);
  });

  it('never makes a card that was closed before the processor was asked', async () => {
    const vendor = fakeProcessor();
    const cardId = await issue();
    await set(cardId, 'closed');
    expect((await advanceCard({ knex, processor: vendor.processor }, { organizationId, cardId }, 0)).done).toBe(true);
    expect(vendor.cards.size).toBe(0);
  });

  it('refuses what its state does not allow, and repeats harmlessly what it does', async () => {
    const cardId = await issue();
    expect(await set(cardId, 'paused')).toMatchObject({ ok: false, error: { code: 'state_conflict' } });
    expect(await set(cardId, 'closed')).toMatchObject({ ok: true });
    expect(await set(cardId, 'closed')).toMatchObject({ ok: true });
    expect(await set(cardId, 'active')).toMatchObject({ ok: false, error: { code: 'state_conflict' } });
    expect(await set(newId(), 'paused')).toMatchObject({ ok: false, error: { code: 'not_found' } });
  });

  it('replaces controls as a whole and moves the account version', async () => {
    const cardId = world.accounts[0]?.cardId ?? '';
    const before = await version();
    const controls = { limits: { day_amount: '5000' }, blocked_channels: ['atm'] } as const;
    const changed = await inOrganization(knex, organizationId, (trx) =>
      updateCardControls(trx, {}, { organizationId, cardId, controls }),
    );
    expect(changed).toMatchObject({ ok: true, value: { controls, controls_version: 2 } });
    expect(await version()).toBeGreaterThan(before);
  });

  it.each([
    ['program_disabled', 'programs', { state: 'disabled' }],
    ['account_not_active', 'accounts', { state: 'suspended' }],
    ['kyc_not_approved', 'cardholders', { kyc_state: 'expired' }],
  ])('is refused as %s', async (code, table, change) => {
    await superuser(table).where({ organization_id: organizationId }).update(change);
    const refused = await inOrganization(knex, organizationId, (trx) =>
      issueCard(trx, {}, { organizationId, accountId, kind: 'virtual', memo: '' }),
    );
    expect(refused).toMatchObject({ ok: false, error: { code } });
  });

  it('is not found from another organization', async () => {
    const other = await createSpendingWorld(database.superuserUrl, { accounts: 1 });
    const cardId = other.accounts[0]?.cardId ?? '';
    expect(await set(cardId, 'paused')).toMatchObject({ ok: false, error: { code: 'not_found' } });
  });
});
