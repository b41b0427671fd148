import { Client } from 'pg';
import { databaseRoles } from '../../../embedded/database-roles';
import { createTestDatabase, type TestDatabase } from '../../setup/database';

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});

afterAll(async () => {
  await database.drop();
});

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

test.each(databaseRoles)('%s connects as itself, neither superuser nor above row level security', async (role) => {
  const rows = await query(
    database.urls[role],
    'select rolname, rolsuper, rolbypassrls, rolcreaterole from pg_roles where rolname = current_user',
  );
  expect(rows).toEqual([{ rolname: role, rolsuper: false, rolbypassrls: false, rolcreaterole: false }]);
});

test.each(databaseRoles.filter((role) => role !== 'escudo_migrator'))(
  '%s owns nothing and creates nothing',
  async (role) => {
    const owned = await query(
      database.superuserUrl,
      `select relname from pg_class join pg_roles on pg_roles.oid = relowner where rolname = '${role}'`,
    );
    expect(owned).toEqual([]);
    await expect(query(database.urls[role], 'create table intruder (id int)')).rejects.toThrow('permission denied');
  },
);

test('commits reach the disk before they are acknowledged', async () => {
  const rows = await query(
    database.superuserUrl,
    "select current_setting('fsync') fsync, current_setting('synchronous_commit') commit, current_setting('full_page_writes') pages",
  );
  expect(rows).toEqual([{ fsync: 'on', commit: 'on', pages: 'on' }]);
});

test('two databases of one template do not see each other', async () => {
  const other = await createTestDatabase();
  await query(database.urls.escudo_migrator, 'create table only_here (id int)');
  await expect(query(other.urls.escudo_migrator, 'select * from only_here')).rejects.toThrow('does not exist');
  await other.drop();
});
