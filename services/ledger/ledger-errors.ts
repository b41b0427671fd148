/** A cardholder's funds or collateral would go below zero. Thrown before anything is written, so the transaction stays usable. */
export class InsufficientFundsError extends Error {
  override readonly name = 'InsufficientFundsError';

  constructor(
    readonly accountId: string | null,
    readonly asset: string,
    readonly available: bigint,
    readonly missing: bigint,
  ) {
    super(`${missing} base units of ${asset} are missing on account ${accountId}: ${available} are available`);
  }
}

/** Posts and releases of a hold would come to more than the hold. */
export class HoldExceededError extends Error {
  override readonly name = 'HoldExceededError';

  constructor(
    readonly holdTransferId: string,
    readonly held: bigint,
    readonly used: bigint,
    readonly asked: bigint,
  ) {
    super(`hold ${holdTransferId} of ${held} has ${held - used} left, ${asked} were asked for`);
  }
}

/** The same business key came again with other transfers: two effects would share one key. */
export class IdempotencyConflictError extends Error {
  override readonly name = 'IdempotencyConflictError';

  constructor(readonly idempotencyKey: string) {
    super(`ledger transaction ${idempotencyKey} exists with other transfers`);
  }
}
