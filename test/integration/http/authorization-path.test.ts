import request from 'supertest';
import { type ApiUnderTest, startApiUnderTest } from './api-under-test';
import { seedAccount } from './seed-everything';

let tested: ApiUnderTest;
let owner: { id: string; key: string };
let program: string;

beforeAll(async () => {
  tested = await startApiUnderTest();
  owner = await tested.createOrganization('paths');
  ({ program } = await seedAccount(tested.sql, { url: tested.url, key: owner.key }));
});

afterAll(async () => {
  await tested.end();
});

function choose(path: string, key: string) {
  return request(tested.url)
    .patch(`/v1/programs/${program}`)
    .set({ Authorization: `Bearer ${owner.key}`, 'Idempotency-Key': key })
    .send({ authorization_path: path });
}

const told = async () => {
  const answer = await request(tested.url)
    .get('/v1/events?type=program.authorization_path_changed')
    .set({ Authorization: `Bearer ${owner.key}` })
    .expect(200);
  return answer.body.data.map(({ data }: { data: { authorization_path: string } }) => data.authorization_path);
};

test('a program answers directly until it chooses its workflows, and events tell of each change', async () => {
  const before = await request(tested.url)
    .get(`/v1/programs/${program}`)
    .set({ Authorization: `Bearer ${owner.key}` })
    .expect(200);
  expect(before.body.authorization_path).toBe('direct');
  expect((await choose('workflow', 'path-1').expect(200)).body.authorization_path).toBe('workflow');
  // The same again changes nothing and tells nothing.
  expect((await choose('workflow', 'path-2').expect(200)).body.authorization_path).toBe('workflow');
  expect((await choose('direct', 'path-3').expect(200)).body.authorization_path).toBe('direct');
  expect(await told()).toEqual(['direct', 'workflow']);
});

test('there are no other paths', async () => {
  const refused = await choose('batch', 'path-4').expect(400);
  expect(refused.body.errors).toEqual([expect.objectContaining({ pointer: '/authorization_path' })]);
});
