import {
  admit,
  afterAnswer,
  type CircuitBreaker,
  CLOSED_BREAKER,
} from '../../../services/partner-decisions/rules/circuit-breaker';

const SETTINGS = { failures: 3, open_seconds: 10 };

function fail(breaker: CircuitBreaker, times: number, now: number): CircuitBreaker {
  let current = breaker;
  for (let time = 0; time < times; time += 1) current = afterAnswer(current, SETTINGS, false, now);
  return current;
}

const opened = fail(CLOSED_BREAKER, 3, 1_000);

test('it opens with the last of so many failures in a row, not before', () => {
  expect(fail(CLOSED_BREAKER, 2, 0)).toEqual({ state: 'closed', failures: 2 });
  expect(opened).toEqual({ state: 'open', until: 11_000 });
});

test('an answer in between starts the count again', () => {
  const answered = afterAnswer(fail(CLOSED_BREAKER, 2, 0), SETTINGS, true, 0);
  expect(fail(answered, 2, 0).state).toBe('closed');
  expect(fail(answered, 3, 0).state).toBe('open');
});

test('nobody is asked while it is open, and exactly one when its time is up', () => {
  expect(admit(opened, SETTINGS, 10_999)).toEqual({ admitted: false, breaker: opened });
  const probe = admit(opened, SETTINGS, 11_000);
  expect(probe).toEqual({ admitted: true, breaker: { state: 'half_open', until: 21_000 } });
  expect(admit(probe.breaker, SETTINGS, 11_000).admitted).toBe(false);
});

test('an answer to the probe closes it, a failure opens it for the whole time again', () => {
  const { breaker } = admit(opened, SETTINGS, 11_000);
  expect(afterAnswer(breaker, SETTINGS, true, 11_500)).toEqual(CLOSED_BREAKER);
  expect(afterAnswer(breaker, SETTINGS, false, 11_500)).toEqual({ state: 'open', until: 21_500 });
});

test('a probe that nothing is heard of is followed by another', () => {
  const { breaker } = admit(opened, SETTINGS, 11_000);
  expect(admit(breaker, SETTINGS, 20_999).admitted).toBe(false);
  expect(admit(breaker, SETTINGS, 21_000).admitted).toBe(true);
});

test('failures of questions asked before it opened do not keep it open longer', () => {
  expect(afterAnswer(opened, SETTINGS, false, 9_000)).toEqual(opened);
});
