import type { Knex } from 'knex';
import { inOrganization } from '../database/transaction';
import { InvariantError, required } from '../shared/assert';
import type { Clock } from '../shared/clock';
import type { WorkflowType } from '../temporal/port';
import {
  cardTransactionExists,
  findAuthorizationDeadline,
  findOpenPostings,
  type OpenPosting,
} from './authorization-work.repository';
import { expireAuthorization } from './expire-authorization';
import { fundAtAuthorization } from './fund-at-authorization';

export interface FollowAuthorizationDeps {
  readonly knex: Knex;
  readonly clock: Clock;
}

export interface PurchaseReference {
  readonly organizationId: string;
  readonly authorizationId?: string;
  /** Instead of it: a transaction of the network that no authorization went before. */
  readonly cardTransactionId?: string;
  /** It was yet to be decided when its workflow began, and may never have been. */
  readonly asked?: string;
}

export interface PostingToFund {
  readonly postingId: string;
  readonly workflowType: WorkflowType;
  readonly workflowId: string;
}

export interface AuthorizationWork {
  /** The authorization's state; `posted` for a transaction without authorization. */
  readonly state: string;
  readonly postingsToFund: readonly PostingToFund[];
  /** Nothing is left to do and nothing more is expected. */
  readonly done: boolean;
  /** Until the rows should be looked at again even without a signal, milliseconds. */
  readonly waitMs: number;
}

const FUNDING_LOOK_MIN_MS = 2_000;
const FUNDING_LOOK_MAX_MS = 300_000;
const OPEN_STATES: readonly string[] = ['pending', 'partially_cleared'];

const FUNDING: Readonly<Record<OpenPosting['kind'], { readonly workflowType: WorkflowType; readonly prefix: string }>> =
  {
    stablecoin_sale: { workflowType: 'fundSale', prefix: 'sale' },
    loan_draw: { workflowType: 'drawLoan', prefix: 'draw' },
  };

/**
 * Looks at the rows of one purchase: lets its hold end when the deadline row says so, and tells which postings wait for
 * funding. Safe to repeat at any time. `look` counts the looks of one workflow run; the wait between looks grows with it,
 * because funding that takes long is not made faster by looking.
 */
export async function followAuthorization(
  deps: FollowAuthorizationDeps,
  purchase: PurchaseReference,
  look: number,
): Promise<AuthorizationWork> {
  const { organizationId, authorizationId, cardTransactionId } = purchase;
  if (authorizationId === undefined) {
    if (cardTransactionId === undefined)
      throw new InvariantError('a purchase is named by authorization or transaction');
    return followTransaction(deps, organizationId, cardTransactionId, look);
  }

  const first = await readAuthorization(deps, organizationId, authorizationId);
  if (first === null) {
    if (purchase.asked === undefined) throw new InvariantError(`authorization ${authorizationId} is missing`);
    return { state: 'never_decided', postingsToFund: [], done: true, waitMs: 0 };
  }
  let found = first;
  if (OPEN_STATES.includes(found.state) && found.expiresAt !== null && found.expiresAt <= deps.clock.now()) {
    await expireAuthorization(deps, { organizationId, authorizationId });
    found = required(await readAuthorization(deps, organizationId, authorizationId), 'the authorization');
  }

  if (OPEN_STATES.includes(found.state) && found.fundingAt === 'authorization') {
    await fundAtAuthorization(deps, { organizationId, authorizationId });
    found = required(await readAuthorization(deps, organizationId, authorizationId), 'the authorization');
  }

  const holdOpen = OPEN_STATES.includes(found.state);
  const untilExpiry =
    holdOpen && found.expiresAt !== null
      ? Math.max(1_000, found.expiresAt.getTime() - deps.clock.now().getTime())
      : null;
  return {
    state: found.state,
    postingsToFund: found.postings.map(toFund),
    done: !holdOpen && found.postings.length === 0,
    waitMs: shortest(untilExpiry, found.postings.length > 0 ? fundingLookMs(look) : null),
  };
}

async function followTransaction(
  deps: FollowAuthorizationDeps,
  organizationId: string,
  cardTransactionId: string,
  look: number,
): Promise<AuthorizationWork> {
  const postings = await inOrganization(deps.knex, organizationId, async (trx) => {
    if (!(await cardTransactionExists(trx, organizationId, cardTransactionId))) {
      throw new InvariantError(`card transaction ${cardTransactionId} is missing`);
    }
    return findOpenPostings(trx, organizationId, { cardTransactionId });
  });
  return {
    state: 'posted',
    postingsToFund: postings.map(toFund),
    done: postings.length === 0,
    waitMs: fundingLookMs(look),
  };
}

async function readAuthorization(deps: FollowAuthorizationDeps, organizationId: string, authorizationId: string) {
  return inOrganization(deps.knex, organizationId, async (trx) => {
    const row = await findAuthorizationDeadline(trx, organizationId, authorizationId);
    if (row === undefined) return null;
    const postings = await findOpenPostings(trx, organizationId, { authorizationId });
    return { state: row.state, expiresAt: row.expires_at, fundingAt: row.funding_at, postings };
  });
}

function toFund(posting: OpenPosting): PostingToFund {
  const { workflowType, prefix } = FUNDING[posting.kind];
  return { postingId: posting.id, workflowType, workflowId: `${prefix}:${posting.id}` };
}

function fundingLookMs(look: number): number {
  return Math.min(FUNDING_LOOK_MAX_MS, FUNDING_LOOK_MIN_MS * 2 ** Math.min(look, 10));
}

/** A day when nothing is due: a pending hold without a deadline is only ended by the network. */
function shortest(...waits: (number | null)[]): number {
  return Math.min(86_400_000, ...waits.filter((wait): wait is number => wait !== null));
}
