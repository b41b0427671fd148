import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { keptSecrets } from '../../../embedded/secrets';

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'escudo-secrets-'));
  file = path.join(folder, 'secrets.json');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('secrets stay the same from one start to the next', () => {
  expect(keptSecrets(file)).toEqual(keptSecrets(file));
});

test('a folder from before receipts were signed gets a key for them, once, and keeps all else', () => {
  const { receiptSigningKey: _key, ...before } = keptSecrets(file);
  writeFileSync(file, JSON.stringify(before));
  const after = keptSecrets(file);
  expect(after).toMatchObject(before);
  expect(Buffer.from(after.receiptSigningKey, 'base64')).toHaveLength(32);
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(after);
  expect(keptSecrets(file)).toEqual(after);
});

test('a file that lacks anything else is refused with the way out', () => {
  const { apiKeyPepper: _pepper, ...before } = keptSecrets(file);
  writeFileSync(file, JSON.stringify(before));
  expect(() => keptSecrets(file)).toThrow(/apiKeyPepper/);
});
