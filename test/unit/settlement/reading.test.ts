import { isOlder } from '../../../services/settlement/rules/reading';

const AT = Date.parse('2026-11-21T12:00:00.000Z');
const read = (after: number, bankEntries: number | null) => ({ reportUpdatedAt: new Date(AT + after), bankEntries });
const recorded = { report_updated_at: new Date(AT), bank_entries: 2 };

it.each([
  [-1, 2, true],
  [0, 2, false],
  [1, 2, false],
  [0, 1, true],
  [0, 3, false],
  // Ahead in the one, behind in the other: what is recorded of the other would be undone.
  [-1, 3, true],
  [1, 1, true],
  // The bank is not read before the date is closed.
  [-1, null, true],
  [0, null, false],
])('a report changed %i ms after the recorded one, and %p entries for 2: older %p', (after, entries, older) => {
  expect(isOlder(read(after, entries), recorded)).toBe(older);
});

it('nothing is older than what was not kept', () => {
  expect(isOlder(read(-1, 1), { report_updated_at: null, bank_entries: null })).toBe(false);
  expect(isOlder(read(-1, 1), { ...recorded, report_updated_at: null })).toBe(true);
  expect(isOlder(read(-1, 2), { ...recorded, bank_entries: null })).toBe(true);
});
