import type { LookupAddress } from 'node:dns';
import {
  endpointUrlProblem,
  isPublicAddress,
  lookupPublicOnly,
} from '../../../services/partner-decisions/public-address';

test.each(['8.8.8.8', '1.1.1.1', '172.32.0.1', '100.128.0.1', '223.255.255.255', '2606:4700::1111', '2a00:1450::1'])(
  '%s is public',
  (address) => {
    expect(isPublicAddress(address)).toBe(true);
  },
);

test.each([
  '0.0.0.0',
  '10.1.2.3',
  '100.64.0.1',
  '127.0.0.1',
  '127.255.255.254',
  '169.254.169.254',
  '172.16.0.1',
  '172.31.255.255',
  '192.0.2.1',
  '192.168.1.1',
  '198.18.0.1',
  '203.0.113.9',
  '224.0.0.1',
  '240.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::ffff:127.0.0.1',
  '::ffff:8.8.8.8',
  '64:ff9b::7f00:1',
  'fc00::1',
  'fd12:3456::1',
  'fe80::1',
  'ff02::1',
  '2001:db8::1',
  '2001:0:4136:e378::1',
  '2002:7f00:1::1',
  'localhost',
  '',
])('%s is not', (address) => {
  expect(isPublicAddress(address)).toBe(false);
});

test.each([
  'https://cards.example.com/decisions',
  'https://cards.example.com:8443/decisions?v=1',
  'https://8.8.8.8/decisions',
  'https://[2606:4700::1111]/decisions',
])('%s may be asked', (url) => {
  expect(endpointUrlProblem(url, false)).toBeNull();
});

test.each([
  'cards.example.com',
  'http://cards.example.com/',
  'ftp://cards.example.com/',
  'https://user:password@cards.example.com/',
  'https://cards.example.com/#a',
  'https://127.0.0.1/',
  'https://2130706433/',
  'https://0x7f.1/',
  'https://0177.0.0.1/',
  'https://127.1/',
  'https://169.254.169.254/latest/meta-data',
  'https://[::1]/',
  'https://[::ffff:10.0.0.1]/',
  'https://[fd00::1]/',
  'https://localhost/',
  'https://localhost./',
  'https://api/',
  'https://db.internal/',
])('%s may not', (url) => {
  expect(endpointUrlProblem(url, false)).toEqual(expect.any(String));
});

test('in development endpoints of this machine may be asked, over http too', () => {
  expect(endpointUrlProblem('http://127.0.0.1:4040/decisions', true)).toBeNull();
  expect(endpointUrlProblem('ftp://127.0.0.1/', true)).toEqual(expect.any(String));
});

test('a name that stands for a private address is not connected to', async () => {
  const lookup = (all: boolean) =>
    new Promise<{ error: Error | null; address: string | LookupAddress[] }>((resolve) => {
      lookupPublicOnly('localhost', { all }, (error, address) => resolve({ error, address }));
    });
  for (const all of [true, false]) {
    const { error, address } = await lookup(all);
    expect(error?.message).toContain('private network');
    expect(JSON.stringify(address)).not.toContain('127');
  }
});
