import { AccountCache } from '../../../services/authorizations/account-cache';
import type { Decision } from '../../../services/authorizations/rules/decide-authorization';
import type { CardSnapshot } from '../../../services/authorizations/rules/spend-snapshot';
import type { AccountState } from '../../../services/authorizations/spend-snapshot.repository';

/** What the cache itself looks at; the rest of an account it only hands on. */
function state(accountVersion: bigint, programVersion = 1n): AccountState {
  return {
    programVersion,
    credit: { loanHold: 0n },
    account: { accountId: 'account-1' },
    moving: { accountVersion, funds: { USDC: 100n }, accountCounters: null },
  } as unknown as AccountState;
}

function card(id: string, productState: CardSnapshot['productState'] = 'active'): CardSnapshot {
  return { id, productState } as CardSnapshot;
}

function committed(decidedAt: bigint, amount: bigint) {
  const legs = [{ kind: 'stablecoin_sale', asset: 'USDC', amount }];
  return {
    decision: { legs, counters: null } as unknown as Decision,
    item: { expected_version: decidedAt },
  };
}

test('cards of an account stay while both versions stand', () => {
  const cache = new AccountCache(10);
  cache.keep('token-1', state(5n), card('card-1'));
  cache.keep('token-2', state(5n), card('card-2'));
  expect(cache.find('token-1')).toEqual({ state: state(5n), card: card('card-1') });
  expect(cache.find('token-2')).toEqual({ state: state(5n), card: card('card-2') });
});

test('a card read before its product was disabled does not stand beside one read after', () => {
  const cache = new AccountCache(10);
  cache.keep('token-1', state(5n, 1n), card('card-1', 'active'));
  // Disabling a kind of card moves the version of the program, not of its accounts.
  cache.keep('token-2', state(5n, 2n), card('card-2', 'disabled'));
  expect(cache.find('token-1')).toBeNull();
  expect(cache.find('token-2')?.card.productState).toBe('disabled');
});

test('a commit is applied to the state that it was decided on', () => {
  const cache = new AccountCache(10);
  cache.keep('token-1', state(5n), card('card-1'));
  cache.apply('token-1', committed(5n, 40n));
  expect(cache.find('token-1')?.state.moving).toMatchObject({ accountVersion: 6n, funds: { USDC: 60n } });
});

test('a commit is not applied to what was read after it', () => {
  const cache = new AccountCache(10);
  cache.keep('token-1', state(5n), card('card-1'));
  // Another card's batch reads what the first one's commit has written, before that one hears of it.
  cache.keep('token-2', state(6n), card('card-2'));
  cache.keep('token-1', state(6n), card('card-1'));
  cache.apply('token-1', committed(5n, 40n));
  // Else version 7 would be kept with this content, and taken for whatever the next writer makes of version 7.
  expect(cache.find('token-1')).toBeNull();
  expect(cache.find('token-2')).toBeNull();
});

test('a commit of a card that was let go since leaves what was read after it as it is', () => {
  const cache = new AccountCache(10);
  cache.keep('token-1', state(5n), card('card-1'));
  cache.keep('token-2', state(6n), card('card-2'));
  cache.apply('token-1', committed(5n, 40n));
  expect(cache.find('token-1')).toBeNull();
  expect(cache.find('token-2')?.state).toEqual(state(6n));
});

test('an account is read again after a decision that was too late', () => {
  const cache = new AccountCache(10);
  cache.keep('token-1', state(5n), card('card-1'));
  cache.apply('token-1', null);
  expect(cache.find('token-1')).toBeNull();
});

test('cards of an account that was read again without them are not remembered for ever', () => {
  const cache = new AccountCache(10);
  cache.keep('token-1', state(5n), card('card-1'));
  cache.keep('token-2', state(5n), card('card-2'));
  cache.forget('token-1');
  expect(cache.accountIdOf('token-1')).toBe('account-1');
  expect(cache.accountIdOf('token-2')).toBeUndefined();
});
