import type { Knex } from 'knex';
import { Client, Pool } from 'pg';
import { amendAuthorization } from '../../../services/authorizations/amend-authorization';
import { noteAmendmentsHeard } from '../../../services/authorizations/amendment.repository';
import { createKnex } from '../../../services/database/knex';
import type { AuthorizationReply } from '../../../services/providers/processor/port';
import { required } from '../../../services/shared/assert';
import { systemClock } from '../../../services/shared/clock';
import { brokenBooks } from '../../builders/books';
import { createSpendingWorld, purchase } from '../../builders/spending-world';
import { createTestAuthorizer, testSealer } from '../../builders/test-authorizer';
import { createTestDatabase, type TestDatabase } from '../../setup/database';

let database: TestDatabase;
let pool: Pool;
let knex: Knex;
let superuser: Client;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = new Pool({ connectionString: database.urls.escudo_authorizer, max: 2 });
  knex = createKnex(database.urls.escudo_app, 2, 'late-increment-test');
  superuser = new Client({ connectionString: database.superuserUrl });
  await superuser.connect();
});

afterAll(async () => {
  await pool.end();
  await knex.destroy();
  await superuser.end();
  await database.drop();
});

test.each([
  ['in time', 0, { outcome: 'approved', approvedAmount: 500n, declineReason: null }, '1500'],
  [
    'whose time runs out while it is written',
    1,
    { outcome: 'declined', approvedAmount: 0n, declineReason: 'late' },
    '1000',
  ],
])('an increment %s', async (_name, msLate, answer, approved) => {
  const authorizer = createTestAuthorizer(pool);
  const { organizationId, accounts } = await createSpendingWorld(database.superuserUrl, {
    accounts: 1,
    funds: { USDC: 100_000_000n },
  });
  const account = required(accounts[0], 'account');
  const first = purchase(account, 1_000n);
  const { authorizationId } = await authorizer.authorize(first);
  const known = {
    organizationId,
    accountId: account.accountId,
    cardId: account.cardId,
    authorizationId: required(authorizationId, 'id'),
  };

  const respondBy = new Date(Date.now() + 60_000);
  const more = {
    ...first,
    messageId: 'more',
    contentHash: 'more',
    amount: 500n,
    amountBasis: 'delta' as const,
    respondBy,
  };
  let looks = 0;
  const clock = { now: () => new Date(respondBy.getTime() + (looks++ === 0 ? 0 : msLate)) };
  expect(
    await amendAuthorization(
      { knex, clock, sealer: testSealer(), partner: null },
      { ...more, messageId: `more-${msLate}` },
      known,
    ),
  ).toMatchObject(answer);

  const { rows } = await superuser.query(
    `SELECT a.approved_amount::text AS approved, l.pending_debits::text AS held FROM authorizations a
     JOIN ledger_accounts l ON l.account_id = a.account_id AND l.type = 'cardholder.funds' WHERE a.id = $1`,
    [authorizationId],
  );
  expect(rows).toEqual([{ approved, held: (BigInt(approved) * 10_050n).toString() }]);
  // What was decided in time and taken back leaves nothing: one answer, one receipt.
  const recorded = await superuser.query(
    'SELECT outcome, decline_reason, receipt FROM authorization_amendments WHERE authorization_id = $1',
    [authorizationId],
  );
  expect(recorded.rows).toMatchObject([{ outcome: answer.outcome, decline_reason: answer.declineReason }]);
  expect(recorded.rows[0].receipt.includes('"late":{')).toBe(msLate > 0);
  expect(await brokenBooks(superuser, organizationId)).toEqual([]);
});

test('a repetition names what it holds until an answer is known to be heard', async () => {
  const amend: Parameters<typeof createTestAuthorizer>[1] = {
    amend: (request, known) =>
      amendAuthorization({ knex, clock: systemClock, sealer: testSealer(), partner: null }, request, known),
  };
  const { accounts } = await createSpendingWorld(database.superuserUrl, {
    accounts: 1,
    funds: { USDC: 100_000_000n },
  });
  const first = purchase(required(accounts[0], 'account'), 1_000n);
  await createTestAuthorizer(pool, amend).authorize(first);
  const more = { ...first, messageId: `${first.messageId}-more`, amount: 500n, amountBasis: 'delta' as const };

  const replies: AuthorizationReply[] = [];
  // Each time another process, as where only the answer of the first one was lost.
  for (let times = 0; times < 2; times += 1) replies.push(await createTestAuthorizer(pool, amend).authorize(more));
  const [reply] = replies;
  expect(reply).toMatchObject({ outcome: 'approved', approvedAmount: 500n, amendment: { id: expect.any(String) } });
  expect(replies).toEqual([reply, reply]);

  await noteAmendmentsHeard(pool, [required(reply?.amendment, 'what it holds')]);
  const afterwards = await createTestAuthorizer(pool, amend).authorize(more);
  expect(afterwards).toMatchObject({ outcome: 'approved', approvedAmount: 500n });
  expect(afterwards.amendment).toBeUndefined();
});
