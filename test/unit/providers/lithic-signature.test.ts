import { Webhook } from 'standardwebhooks';
import { createSignatureCheck, TIMESTAMP_TOLERANCE_S } from '../../../services/providers/processor/lithic/signature';

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const OTHER = `whsec_${Buffer.alloc(32, 8).toString('base64')}`;
const NOW = new Date('2026-03-01T12:00:00.500Z');
const BODY = Buffer.from('{"token":"a","name":"Café"}');

function sign(secret: string, at: Date, body: Buffer, id = 'msg_1') {
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(secret).sign(id, at, body),
  };
}

describe('createSignatureCheck', () => {
  const verify = createSignatureCheck([SECRET]);

  it('accepts what the reference implementation of Standard Webhooks signed', () => {
    expect(verify(BODY, sign(SECRET, NOW, BODY), NOW)).toEqual({ kind: 'valid' });
  });

  it('accepts any of several signatures and any of several keys, as during a rotation', () => {
    const headers = sign(OTHER, NOW, BODY);
    const both = { ...headers, 'webhook-signature': `v1,AAAA ${headers['webhook-signature']}` };
    expect(verify(BODY, both, NOW).kind).toBe('invalid');
    expect(createSignatureCheck([SECRET, OTHER])(BODY, both, NOW).kind).toBe('valid');
  });

  it.each([
    ['another body', Buffer.from('{"token":"b"}'), sign(SECRET, NOW, BODY)],
    ['one space more', Buffer.from(`${BODY.toString()} `), sign(SECRET, NOW, BODY)],
    ['another key', BODY, sign(OTHER, NOW, BODY)],
    ['another id', BODY, { ...sign(SECRET, NOW, BODY), 'webhook-id': 'msg_2' }],
    [
      'another timestamp',
      BODY,
      { ...sign(SECRET, NOW, BODY), 'webhook-timestamp': String(Math.floor(NOW.getTime() / 1000) - 1) },
    ],
    [
      'another scheme version',
      BODY,
      {
        ...sign(SECRET, NOW, BODY),
        'webhook-signature': sign(SECRET, NOW, BODY)['webhook-signature'].replace('v1,', 'v2,'),
      },
    ],
    ['an empty signature', BODY, { ...sign(SECRET, NOW, BODY), 'webhook-signature': '' }],
    ['no signature', BODY, { 'webhook-id': 'msg_1', 'webhook-timestamp': '1' }],
    ['a repeated header', BODY, { ...sign(SECRET, NOW, BODY), 'webhook-id': ['msg_1', 'msg_1'] }],
    ['a timestamp with a fraction', BODY, { ...sign(SECRET, NOW, BODY), 'webhook-timestamp': '1772366400.5' }],
    [
      'a long list of signatures',
      BODY,
      {
        ...sign(SECRET, NOW, BODY),
        'webhook-signature': `${'v1,AAAA '.repeat(8)}${sign(SECRET, NOW, BODY)['webhook-signature']}`,
      },
    ],
  ])('refuses %s', (_name, body, headers) => {
    expect(verify(body, headers, NOW).kind).toBe('invalid');
  });

  it.each([-1, 1])('has a tolerance of exactly five minutes (direction %d)', (direction) => {
    const shifted = (seconds: number) => new Date(Math.floor(NOW.getTime() / 1000) * 1000 + direction * seconds * 1000);
    const atLimit = shifted(TIMESTAMP_TOLERANCE_S);
    const beyond = shifted(TIMESTAMP_TOLERANCE_S + 1);
    expect(verify(BODY, sign(SECRET, atLimit, BODY), NOW).kind).toBe('valid');
    expect(verify(BODY, sign(SECRET, beyond, BODY), NOW).kind).toBe('invalid');
  });

  it.each(['whsec_', 'whsec_c2hvcnQ=', 'whsec_not base64 at all', ''])(
    'refuses the secret %p at construction',
    (secret) => {
      expect(() => createSignatureCheck([secret])).toThrow();
    },
  );

  it('refuses to be built without a secret', () => {
    expect(() => createSignatureCheck([])).toThrow();
  });
});
