import { RateLimiter, rateLimitHeaders } from '../../../services/http/rate-limiter';

const at = (milliseconds: number) => new Date(1_800_000_000_000 + milliseconds);

test('a quota may be used at once, then one request comes back for each share of the minute', () => {
  const limiter = new RateLimiter(60);
  for (let count = 0; count < 60; count += 1) expect(limiter.take('key', at(0)).allowed).toBe(true);
  const refused = limiter.take('key', at(0));
  expect(refused).toMatchObject({ allowed: false, remaining: 0, retryAfterSeconds: 1, resetSeconds: 60 });
  expect(limiter.take('key', at(999)).allowed).toBe(false);
  expect(limiter.take('key', at(1_000)).allowed).toBe(true);
  expect(limiter.take('key', at(1_000)).allowed).toBe(false);
});

test('keys do not share a quota', () => {
  const limiter = new RateLimiter(1);
  expect(limiter.take('one', at(0)).allowed).toBe(true);
  expect(limiter.take('one', at(0)).allowed).toBe(false);
  expect(limiter.take('other', at(0)).allowed).toBe(true);
});

test('a clock that goes back takes nothing away', () => {
  const limiter = new RateLimiter(2);
  limiter.take('key', at(10_000));
  expect(limiter.take('key', at(0)).allowed).toBe(true);
});

test('the fields name what is left', () => {
  const limiter = new RateLimiter(120);
  expect(rateLimitHeaders(limiter.take('key', at(0)))).toEqual({
    'RateLimit-Policy': '"default";q=120;w=60',
    RateLimit: '"default";r=119;t=1',
  });
});
