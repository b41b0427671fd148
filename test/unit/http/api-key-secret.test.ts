import { generateApiKey, hashApiKey, matchesApiKey, readApiKey } from '../../../services/organizations/api-key-secret';

test('a generated key can be read, and any single change of it is noticed without asking anyone', () => {
  const key = generateApiKey('live');
  expect(readApiKey(key.text)).toEqual(key);
  for (let index = 'esk_live_'.length; index < key.text.length; index += 1) {
    const changed = key.text[index] === '0' ? '1' : '0';
    if (key.text[index] === '_') continue;
    expect(readApiKey(key.text.slice(0, index) + changed + key.text.slice(index + 1))).toBeNull();
  }
});

test.each(['', 'esk_test_', 'Bearer x', `esk_prod_${'0'.repeat(16)}_${'0'.repeat(72)}`])('%p is no key', (text) => {
  expect(readApiKey(text)).toBeNull();
});

test('a key matches its own hash under its own pepper only', () => {
  const [key, other] = [generateApiKey('test').text, generateApiKey('test').text];
  const stored = hashApiKey(key, 'pepper');
  expect(matchesApiKey(key, stored, 'pepper')).toBe(true);
  expect(matchesApiKey(other, stored, 'pepper')).toBe(false);
  expect(matchesApiKey(key, stored, 'another pepper')).toBe(false);
  expect(matchesApiKey(key, null, 'pepper')).toBe(false);
});
