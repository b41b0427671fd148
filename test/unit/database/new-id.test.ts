import { validate, version } from 'uuid';
import { newId } from '../../../services/database/new-id';

test('ids are UUIDv7, all different, and ordered as they were made', () => {
  const ids = Array.from({ length: 25_000 }, newId);
  expect(ids.every((id) => validate(id) && version(id) === 7)).toBe(true);
  expect(new Set(ids).size).toBe(ids.length);
  expect([...ids].sort()).toEqual(ids);
});

test('what is random in them differs between neighbours', () => {
  const tails = new Set(Array.from({ length: 2_000 }, () => newId().slice(-12)));
  expect(tails.size).toBe(2_000);
});
