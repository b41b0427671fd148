import { readPartnerAnswer } from '../../../services/partner-decisions/rules/partner-answer';

test.each([
  ['{"decision":"approve"}', { decision: 'approve', reason: null }],
  ['{"decision":"decline","reason":"stolen"}', { decision: 'decline', reason: 'stolen' }],
  [`{"decision":"decline","reason":"${'x'.repeat(200)}"}`, { decision: 'decline', reason: 'x'.repeat(200) }],
  ['{"decision":"approve","reason":null}', { decision: 'approve', reason: null }],
  ['{"decision":"decline","reason":"Möbel 🛋"}', { decision: 'decline', reason: 'Möbel 🛋' }],
  ['{"decision":"approve","reason":""}', { decision: 'approve', reason: null }],
])('%s is an answer', (text, answer) => {
  expect(readPartnerAnswer(text)).toEqual(answer);
});

test.each([
  '',
  'approve',
  '"approve"',
  'null',
  '[]',
  '{}',
  '{"decision":"APPROVE"}',
  '{"decision":true}',
  '{"decision":["approve"]}',
  '{"decision":"approve","approved":false}',
  '{"decision":"approve","reason":7}',
  `{"decision":"approve","reason":"${'x'.repeat(201)}"}`,
  '{"decision":"approve","reason":"a\\u0000b"}',
  '{"decision":"approve","reason":"\\ud800"}',
  '{"decision":"approve"} trailing',
])('%s is none', (text) => {
  expect(readPartnerAnswer(text)).toEqual({ problem: expect.any(String) });
});
