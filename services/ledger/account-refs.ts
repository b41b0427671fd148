import type { AssetCode } from '../shared/money';
import type { LedgerAccountRef, LedgerAccountType } from './draft';

/** Key of accounts that an organization has once per asset. */
const ORGANIZATION = 'organization';

function refOf(type: LedgerAccountType, key: string, asset: AssetCode): LedgerAccountRef {
  return { type, key: key.toLowerCase(), asset };
}

function cardholderRef(type: LedgerAccountType, accountId: string, key: string, asset: AssetCode): LedgerAccountRef {
  return { ...refOf(type, key, asset), accountId };
}

/** What the cardholder may spend, withdraw or pledge. */
export function fundsOf(accountId: string, asset: AssetCode): LedgerAccountRef {
  return cardholderRef('cardholder.funds', accountId, accountId, asset);
}

/** What the cardholder has pledged at the venue, with its yield. */
export function collateralOf(accountId: string, asset: AssetCode): LedgerAccountRef {
  return cardholderRef('cardholder.collateral', accountId, accountId, asset);
}

/** Principal that the cardholder owes on one draw. */
export function loanOf(accountId: string, drawId: string, asset: AssetCode): LedgerAccountRef {
  return cardholderRef('cardholder.loan', accountId, `${accountId}:${drawId}`, asset);
}

/** Posted interest that the cardholder owes on one draw. */
export function interestOf(accountId: string, drawId: string, asset: AssetCode): LedgerAccountRef {
  return cardholderRef('cardholder.interest', accountId, `${accountId}:${drawId}`, asset);
}

/** Cents of purchases that nothing covered. */
export function overdueOf(accountId: string): LedgerAccountRef {
  return cardholderRef('cardholder.overdue', accountId, accountId, 'USD');
}

/** Tokens (or ETH) at one of our addresses: equal to the chain's balance. */
export function walletOf(chainId: number, address: string, asset: AssetCode): LedgerAccountRef {
  return refOf('custody.wallet', `${chainId}:${address}`, asset);
}

/** Collateral that stands at the venue for `address`. */
export function venueCollateralOf(venue: string, address: string, asset: AssetCode): LedgerAccountRef {
  return refOf('venue.collateral', `${venue}:${address}`, asset);
}

/** Debt that stands at the venue for `address`. */
export function venueDebtOf(venue: string, address: string, asset: AssetCode): LedgerAccountRef {
  return refOf('venue.debt', `${venue}:${address}`, asset);
}

/** Tokens that one off-ramp order has taken and not yet paid out or returned. */
export function offrampTransitOf(orderId: string, asset: AssetCode): LedgerAccountRef {
  return refOf('offramp.transit', orderId, asset);
}

/** Cents at the settlement bank. */
export function bankSettlementOf(bankAccount: 'operating' | 'prefunded'): LedgerAccountRef {
  return refOf('bank.settlement', bankAccount, 'USD');
}

/** Cents that a program owes the card network; turns debit when refunds exceed clearings. */
export function networkPayableOf(programId: string): LedgerAccountRef {
  return refOf('network.payable', programId, 'USD');
}

/** Cents set aside for the card network: purchases funded right after approval, and not cleared yet. */
export function networkReservedOf(programId: string): LedgerAccountRef {
  return refOf('network.reserved', programId, 'USD');
}

/** The organization's capital in one asset. Not touched when its cash is used: float in use = float − operating wallet. */
export function floatOf(asset: AssetCode): LedgerAccountRef {
  return refOf('organization.float', ORGANIZATION, asset);
}

/** Arrived, confirmed, and not yet somebody's. */
export function suspenseOf(asset: AssetCode): LedgerAccountRef {
  return refOf('suspense', ORGANIZATION, asset);
}

/** What a conversion has taken in one asset and not yet given in the other. Zero per leg when the leg is finished. */
export function positionOf(asset: AssetCode): LedgerAccountRef {
  return refOf('position', ORGANIZATION, asset);
}

export function revenueOf(
  kind: 'interest' | 'conversion' | 'rounding' | 'fees' | 'settlement',
  asset: AssetCode,
): LedgerAccountRef {
  return refOf(`revenue.${kind}`, ORGANIZATION, asset);
}

export function expenseOf(
  kind: 'gas' | 'offramp' | 'conversion' | 'rounding' | 'interest' | 'interest_refund' | 'settlement',
  asset: AssetCode,
): LedgerAccountRef {
  return refOf(`expense.${kind}`, ORGANIZATION, asset);
}
