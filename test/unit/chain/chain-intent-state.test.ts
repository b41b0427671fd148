import { type IntentEvent, type IntentState, next } from '../../../services/chain/rules/chain-intent-state';

const landed = (attempt: 'call' | 'cancel', status: 'success' | 'reverted'): IntentEvent => ({
  kind: 'landed',
  attempt,
  status,
});

const EVENTS: Readonly<Record<string, IntentEvent>> = {
  refusedUnsigned: { kind: 'refusedUnsigned' },
  signed: { kind: 'signed' },
  sent: { kind: 'sent' },
  succeeded: landed('call', 'success'),
  reverted: landed('call', 'reverted'),
  cancelled: landed('cancel', 'success'),
  cancelReverted: landed('cancel', 'reverted'),
  nonceTaken: { kind: 'nonceTaken' },
};

/** `=`: already applied, `-`: refused. */
const TABLE: Readonly<Record<IntentState, Readonly<Record<string, IntentState | '=' | '-'>>>> = {
  queued: {
    refusedUnsigned: 'failed',
    signed: 'signed',
    sent: '-',
    succeeded: '-',
    reverted: '-',
    cancelled: '-',
    cancelReverted: '-',
    nonceTaken: '-',
  },
  signed: {
    refusedUnsigned: '-',
    signed: '=',
    sent: 'broadcast',
    succeeded: 'confirmed',
    reverted: 'reverted',
    cancelled: 'failed',
    cancelReverted: 'failed',
    nonceTaken: 'failed',
  },
  broadcast: {
    refusedUnsigned: '-',
    signed: '=',
    sent: '=',
    succeeded: 'confirmed',
    reverted: 'reverted',
    cancelled: 'failed',
    cancelReverted: 'failed',
    nonceTaken: 'failed',
  },
  confirmed: {
    refusedUnsigned: '=',
    signed: '=',
    sent: '=',
    succeeded: '=',
    reverted: '-',
    cancelled: '-',
    cancelReverted: '-',
    nonceTaken: '=',
  },
  reverted: {
    refusedUnsigned: '=',
    signed: '=',
    sent: '=',
    succeeded: '-',
    reverted: '=',
    cancelled: '-',
    cancelReverted: '-',
    nonceTaken: '=',
  },
  failed: {
    refusedUnsigned: '=',
    signed: '=',
    sent: '=',
    succeeded: '-',
    reverted: '-',
    cancelled: '=',
    cancelReverted: '=',
    nonceTaken: '=',
  },
};

describe.each(Object.entries(TABLE))('from %s', (state, row) => {
  test.each(Object.entries(row))('%s gives %s', (name, expected) => {
    const event = EVENTS[name];
    if (!event) throw new Error(`no event ${name}`);
    const transition = next(state as IntentState, event);
    if (expected === '-') expect(transition.kind).toBe('refused');
    else if (expected === '=') expect(transition).toEqual({ kind: 'alreadyApplied', state });
    else expect(transition).toEqual({ kind: 'changed', state: expected });
  });
});
