/** A block counts itself: the head has one confirmation. Zero when the block is above the head. */
export function confirmationsOf(blockNumber: bigint, headNumber: bigint): bigint {
  return blockNumber > headNumber ? 0n : headNumber - blockNumber + 1n;
}

/** Whether something in `blockNumber` may be relied on under a policy of `required` confirmations. */
export function isConfirmed(blockNumber: bigint, headNumber: bigint, required: number): boolean {
  return confirmationsOf(blockNumber, headNumber) >= BigInt(required);
}

/** The newest block that may be relied on under the policy, or null while the chain is too short. */
export function newestConfirmedBlock(headNumber: bigint, required: number): bigint | null {
  const number = headNumber - BigInt(required) + 1n;
  return number < 0n ? null : number;
}
