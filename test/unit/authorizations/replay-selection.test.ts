import { parseReplaySelection } from '../../../services/authorizations/rules/replay-selection';

const NOW = new Date('2026-11-21T12:00:00Z');
const ID = '0198f3c2-a1b0-7c3d-9e4f-5a6b7c8d9e0f';

test('one authorization, as the API writes its id or plain', () => {
  const one = { ok: true, value: { kind: 'one', authorizationId: ID } };
  expect(parseReplaySelection('auth_0198f3c2a1b07c3d9e4f5a6b7c8d9e0f', null, NOW)).toEqual(one);
  expect(parseReplaySelection(ID, null, NOW)).toEqual(one);
});

test.each([
  ['2026-11-01..2026-11-30', '2026-11-01T00:00:00.000Z', '2026-12-01T00:00:00.000Z'],
  ['2026-11-01..2026-11-01', '2026-11-01T00:00:00.000Z', '2026-11-02T00:00:00.000Z'],
  ['2026-11-01T08:00:00Z..2026-11-01T09:30:00Z', '2026-11-01T08:00:00.000Z', '2026-11-01T09:30:00.000Z'],
  ['2026-11-20..', '2026-11-20T00:00:00.000Z', '2026-11-21T12:00:00.000Z'],
  ['..', '1970-01-01T00:00:00.000Z', '2026-11-21T12:00:00.000Z'],
])('the range %s', (text, from, to) => {
  expect(parseReplaySelection(text, 'org_0198f3c2a1b07c3d9e4f5a6b7c8d9e0f', NOW)).toEqual({
    ok: true,
    value: { kind: 'range', from: new Date(from), to: new Date(to), organizationId: ID },
  });
});

test.each([
  ['auth_12', null],
  ['card_0198f3c2a1b07c3d9e4f5a6b7c8d9e0f', null],
  ['2026-11-30..2026-11-01', null],
  ['2026-11-01T08:00:00Z..2026-11-01T08:00:00Z', null],
  ['yesterday..today', null],
  ['5..9', null],
  ['2026-11-01..2026-11-02..2026-11-03', null],
  ['..', 'acct_0198f3c2a1b07c3d9e4f5a6b7c8d9e0f'],
])('%s of %s is refused', (text, organization) => {
  expect(parseReplaySelection(text, organization, NOW).ok).toBe(false);
});
