import { findAccount, lockAccount } from '../accounts/account.repository';
import type { ChainReader, LendingVenue } from '../chain/port';
import { inOrganization, type Transaction } from '../database/transaction';
import { findVenueOperationInFlight } from '../funding/funding.repository';
import { venueDebtOf } from '../ledger/account-refs';
import { balanceOf } from '../ledger/ledger.repository';
import { postTransactions } from '../ledger/post-transactions';
import { accrueInterest } from '../ledger/templates/accrue-interest';
import { secondsBetween } from '../pricing/watch-reserves';
import { required } from '../shared/assert';
import { maxBigint } from '../shared/money';
import type { ChainStepDeps } from '../treasury/wallets';
import { changeAccountLoans, changeDraw, type LoanDrawRow, listDraws, readProgramTerms } from './loan.repository';
import {
  type DrawDebt,
  grownSpreadFactorRoundUp,
  planAccrual,
  programIndexRoundUp,
  venueBalanceHalfUp,
} from './rules/interest';

/** The venue at one block: the index, and the account's shares there before the operation of that block, if there was one. */
export interface VenueReading {
  readonly asset: string;
  readonly address: string;
  readonly blockNumber: bigint;
  readonly blockTime: Date;
  readonly venueIndexRay: bigint;
  readonly scaledDebtBefore: bigint;
  /** Debt at the end of the block. */
  readonly debt: bigint;
}

/**
 * Reads an address's debt at a block. For a block that holds an operation of ours (`afterOperation`), interest until then is told by the
 * shares of the block before and this block's index; only one operation per account is ever on its way.
 */
export async function readVenue(
  deps: { readonly reader: ChainReader; readonly venue: LendingVenue },
  at: {
    readonly asset: string;
    readonly address: `0x${string}`;
    readonly blockNumber: bigint;
    readonly afterOperation: boolean;
  },
): Promise<VenueReading> {
  const { asset, address, blockNumber } = at;
  const [block, venueIndexRay, position, before] = await Promise.all([
    deps.reader.block(blockNumber),
    deps.venue.borrowIndexRay(asset, blockNumber),
    deps.venue.position(address, blockNumber),
    at.afterOperation ? deps.venue.position(address, blockNumber - 1n) : null,
  ]);
  return {
    asset,
    address,
    blockNumber,
    blockTime: required(block, `block ${blockNumber}`).timestamp,
    venueIndexRay,
    scaledDebtBefore: (before ?? position).scaledDebt[asset] ?? 0n,
    debt: position.debt[asset] ?? 0n,
  };
}

/** A draw's open amounts, as rules take them. */
export function drawDebt(draw: LoanDrawRow): DrawDebt {
  return {
    drawId: draw.id,
    shares: draw.shares,
    principalOpen: maxBigint(draw.principal_confirmed - draw.principal_repaid, 0n),
    interestOpen: draw.interest_posted - draw.interest_repaid,
  };
}

export interface BookedAccrual {
  readonly programIndexRay: bigint;
  /** Venue debt at the reading's block by the venue's own rounding, before the block's operation; equal to the ledger now. */
  readonly venueDebtBefore: bigint;
  /** Chain less ledger where that is negative: somebody else paid the account's debt. Never booked here. */
  readonly unexplained: bigint;
  /** The account's draws with the interest in them, oldest first. */
  readonly draws: readonly LoanDrawRow[];
}

/**
 * Posts the interest that arose until a reading. Call it under the account's lock. `reference` names the operation or reading; what is
 * posted is computed from what is posted already, so a second call finds nothing left.
 */
export async function bookAccrual(
  trx: Transaction,
  input: {
    readonly organizationId: string;
    readonly accountId: string;
    readonly programId: string;
    readonly venue: LendingVenue['venue'];
    readonly reading: VenueReading;
    readonly reference: string;
  },
): Promise<BookedAccrual> {
  const { organizationId, accountId, reading } = input;
  const terms = required(await readProgramTerms(trx, organizationId, input.programId), 'program of an account');
  const factor = grownSpreadFactorRoundUp(
    terms.spreadFactorRay,
    terms.policy.credit.spread_bps,
    secondsBetween(terms.spreadFactorAt, reading.blockTime),
  );
  const programIndexRay = programIndexRoundUp(reading.venueIndexRay, factor);
  const venueDebt = venueDebtOf(input.venue, reading.address, reading.asset);
  const onLedger = await balanceOf(trx, organizationId, venueDebt);
  const onChain = venueBalanceHalfUp(reading.scaledDebtBefore, reading.venueIndexRay);
  const draws = (await listDraws(trx, organizationId, accountId)).filter((draw) => draw.asset === reading.asset);
  const plan = planAccrual(draws.map(drawDebt), programIndexRay, maxBigint(onChain - onLedger, 0n));
  const draft = accrueInterest({
    reference: input.reference,
    accountId,
    venueDebt,
    draws: plan.draws,
    expense: plan.expense,
    effectiveAt: reading.blockTime,
  });
  if (draft.transfers.length > 0) {
    await postTransactions(trx, organizationId, [draft]);
    for (const accrued of plan.draws) {
      if (accrued.interest > 0n) {
        await changeDraw(trx, organizationId, accrued.drawId, { interestPosted: accrued.interest });
      }
    }
  }
  return {
    programIndexRay,
    venueDebtBefore: onChain,
    unexplained: onChain < onLedger ? onChain - onLedger : 0n,
    draws: (await listDraws(trx, organizationId, accountId)).filter((draw) => draw.asset === reading.asset),
  };
}

export type AccountAccrual =
  | {
      readonly kind: 'accrued';
      readonly blockNumber: bigint;
      /** What the cardholder owes by shares, base units of the borrowed asset. */
      readonly owed: bigint;
      /** The venue's debt at that block: on chain, and on the ledger after the accrual. */
      readonly chainDebt: bigint;
      readonly ledgerDebt: bigint;
    }
  | { readonly kind: 'no_credit' }
  /** A draw or repayment is on its way to the chain; its own booking accrues. */
  | { readonly kind: 'busy' };

const READ_ATTEMPTS = 5;

/**
 * Brings an account's interest up to a block (the head unless given), so that ledger and chain can be compared there. It accrues between
 * operations only: one that is on its way makes it `busy`, one that came in between makes it read again.
 */
export async function accrueAccount(
  deps: Pick<ChainStepDeps, 'knex' | 'reader'> & { readonly venue: LendingVenue },
  input: { readonly organizationId: string; readonly accountId: string; readonly blockNumber?: bigint },
): Promise<AccountAccrual> {
  const { organizationId, accountId } = input;
  for (let attempt = 0; attempt < READ_ATTEMPTS; attempt += 1) {
    const before = await inOrganization(deps.knex, organizationId, async (trx) => {
      const account = required(await findAccount(trx, organizationId, accountId), `account ${accountId}`);
      const terms = required(await readProgramTerms(trx, organizationId, account.program_id), 'program');
      if (!terms.policy.credit.enabled || account.address === null) return null;
      const asset = terms.policy.credit.borrow_asset;
      const ref = venueDebtOf(deps.venue.venue, account.address, asset);
      return {
        account,
        asset,
        ref,
        address: account.address as `0x${string}`,
        ledgerDebt: await balanceOf(trx, organizationId, ref),
        busy: (await findVenueOperationInFlight(trx, organizationId, accountId, null)) !== null,
      };
    });
    if (before === null) return { kind: 'no_credit' };
    if (before.busy) return { kind: 'busy' };
    const { account, asset, ref, address } = before;
    const blockNumber = input.blockNumber ?? (await deps.reader.head()).number;
    const reading = await readVenue(deps, { asset, address, blockNumber, afterOperation: false });
    const accrued = await inOrganization(deps.knex, organizationId, async (trx): Promise<AccountAccrual | null> => {
      const locked = required(await lockAccount(trx, organizationId, accountId), `account ${accountId}`);
      if ((await findVenueOperationInFlight(trx, organizationId, accountId, null)) !== null) return { kind: 'busy' };
      if ((await balanceOf(trx, organizationId, ref)) !== before.ledgerDebt) return null;
      const booked = await bookAccrual(trx, {
        organizationId,
        accountId,
        programId: account.program_id,
        venue: deps.venue.venue,
        reading,
        reference: `block:${blockNumber}:${locked.version}`,
      });
      await changeAccountLoans(trx, organizationId, accountId, {});
      return {
        kind: 'accrued',
        blockNumber,
        owed: booked.draws.reduce((sum, draw) => {
          const debt = drawDebt(draw);
          return sum + debt.principalOpen + debt.interestOpen;
        }, 0n),
        chainDebt: reading.debt,
        ledgerDebt: await balanceOf(trx, organizationId, ref),
      };
    });
    if (accrued !== null) return accrued;
  }
  return { kind: 'busy' };
}
