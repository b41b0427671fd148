import { keepCounters } from '../cards/rules/limit-counters';
import type { CommitItem } from './authorization-commit.repository';
import type { Decision } from './rules/decide-authorization';
import type { CardSnapshot } from './rules/spend-snapshot';
import type { AccountState } from './spend-snapshot.repository';

/** An account and the cards of it that were used, as a commit last left them. */
interface CachedAccount {
  state: AccountState;
  readonly cards: Map<string, CardSnapshot>;
}

/** What a commit wrote, and the version that it was decided at. */
interface CommittedDecision {
  readonly decision: Decision;
  readonly item: Pick<CommitItem, 'expected_version'>;
}

export interface CachedCard {
  readonly state: AccountState;
  readonly card: CardSnapshot;
}

/**
 * Accounts as this process last saw them, so that the next purchase of one needs no read. Nothing here is trusted: the
 * commit writes a decision only if the account's and the program's versions are still those it was taken at, and every
 * writer of something a decision reads moves one of them. A stale entry costs one more round, never a wrong answer.
 */
export class AccountCache {
  private readonly accounts = new Map<string, CachedAccount>();
  private readonly accountOfCard = new Map<string, string>();

  constructor(
    /** Accounts kept; the ones seen first are let go first. Each takes a few kilobytes. */
    private readonly accountsMax: number,
  ) {}

  /** The account of a card, where it is known; also of one whose state has been let go. */
  accountIdOf(cardToken: string): string | undefined {
    return this.accountOfCard.get(cardToken);
  }

  find(cardToken: string): CachedCard | null {
    const accountId = this.accountOfCard.get(cardToken);
    const account = accountId === undefined ? undefined : this.accounts.get(accountId);
    const card = account?.cards.get(cardToken);
    return account && card ? { state: account.state, card } : null;
  }

  /**
   * Keeps what was just read. Other cards of the account stay only if neither it nor its program has moved since: a card
   * carries the switch of its product, whose change moves the program's version alone.
   */
  keep(cardToken: string, state: AccountState, card: CardSnapshot): void {
    const { accountId } = state.account;
    this.accountOfCard.set(cardToken, accountId);
    const known = this.accounts.get(accountId);
    if (known && sameVersions(known.state, state)) {
      known.state = state;
      known.cards.set(cardToken, card);
      return;
    }
    this.forget(cardToken);
    this.accounts.set(accountId, { state, cards: new Map([[cardToken, card]]) });
    if (this.accounts.size > this.accountsMax) this.letGoOfFirst();
  }

  /** The account has moved elsewhere: it must be read again. Of its cards this one, which will be, stays known as its own. */
  forget(cardToken: string): void {
    const accountId = this.accountOfCard.get(cardToken);
    const account = accountId === undefined ? undefined : this.accounts.get(accountId);
    if (accountId === undefined || !account) return;
    for (const token of account.cards.keys()) if (token !== cardToken) this.accountOfCard.delete(token);
    this.accounts.delete(accountId);
  }

  /**
   * What a commit made of the account: exactly what the statement wrote, on the state that it was decided on. Where another
   * state is kept by now (one read after the commit, before its return was heard of), it has the commit in it, or is about
   * to be found stale: either way it is read again. So it is after null, a decision that was too late and only recorded.
   */
  apply(cardToken: string, committed: CommittedDecision | null): void {
    const accountId = this.accountOfCard.get(cardToken);
    const account = accountId === undefined ? undefined : this.accounts.get(accountId);
    if (!account) return;
    if (committed === null || committed.item.expected_version !== account.state.moving.accountVersion) {
      this.forget(cardToken);
      return;
    }
    account.state = stateAfter(account.state, committed);
    const spent = committed.decision.counters?.card;
    const card = account.cards.get(cardToken);
    if (!card || !spent) return;
    const counters = keepCounters(card.counters, spent);
    if (counters !== card.counters) account.cards.set(cardToken, { ...card, counters });
  }

  private letGoOfFirst(): void {
    for (const [accountId, account] of this.accounts) {
      for (const token of account.cards.keys()) this.accountOfCard.delete(token);
      this.accounts.delete(accountId);
      return;
    }
  }
}

function sameVersions(one: AccountState, other: AccountState): boolean {
  return one.moving.accountVersion === other.moving.accountVersion && one.programVersion === other.programVersion;
}

/** The account after a decision was committed on it: holds taken from funds or counted as loan, windows counted, version moved. */
function stateAfter(state: AccountState, { decision }: CommittedDecision): AccountState {
  const { moving } = state;
  const accountVersion = moving.accountVersion + 1n;
  if (decision.legs.length === 0) return { ...state, moving: { ...moving, accountVersion } };
  const { counters } = decision;
  const funds = { ...moving.funds };
  let { loanHold } = state.credit;
  for (const leg of decision.legs) {
    if (leg.kind === 'loan_draw') loanHold += leg.amount;
    else funds[leg.asset] = (funds[leg.asset] ?? 0n) - leg.amount;
  }
  return {
    ...state,
    credit: loanHold === state.credit.loanHold ? state.credit : { ...state.credit, loanHold },
    moving: {
      accountVersion,
      funds,
      accountCounters: counters ? keepCounters(moving.accountCounters, counters.account) : moving.accountCounters,
    },
  };
}
