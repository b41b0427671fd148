/**
 * Why a node did not take signed bytes.
 * `known`: it has them. `nonce_used`: a transaction with this nonce is in a block; ours or another. `rival_pending`: another
 * transaction with this nonce waits and pays more. `fee_too_low`: the block's base fee passed it. `no_gas_money`: the wallet can't
 * pay. `never_valid`: no node will ever take these bytes. `unclear`: anything else, a dropped connection included; the bytes may
 * have arrived.
 */
export type BroadcastRefusal =
  | 'known'
  | 'nonce_used'
  | 'rival_pending'
  | 'fee_too_low'
  | 'no_gas_money'
  | 'never_valid'
  | 'unclear';

/** Texts of go-ethereum (core/txpool, core/state_transition), Erigon, Nethermind and Anvil; the first that fits decides. */
const TEXTS: readonly (readonly [RegExp, BroadcastRefusal])[] = [
  [/already known|already imported|alreadyknown|known transaction|already in (the )?(pool|mempool)/i, 'known'],
  [/nonce (is )?too low|oldnonce|nonce has already been used/i, 'nonce_used'],
  [/replacement transaction underpriced|feetoolowtocompete|replacement.*not allowed/i, 'rival_pending'],
  [
    /less than block base fee|lower than the (current )?base fee|feetoolow|transaction underpriced|max fee per gas/i,
    'fee_too_low',
  ],
  [/insufficient (funds|balance)|insufficientfunds/i, 'no_gas_money'],
  [
    /intrinsic gas too low|exceeds block gas limit|gas limit too high|gas limit is too high|oversized data|exceeds max initcode|invalid sender|invalid chain id|invalid signature|transaction type not supported|exceeds the configured cap|gaslimitexceeded/i,
    'never_valid',
  ],
];

/** Classifies the node's message. What is not recognised is `unclear`, never a reason to sign again. */
export function classifyBroadcastRefusal(message: string): BroadcastRefusal {
  return TEXTS.find(([pattern]) => pattern.test(message))?.[1] ?? 'unclear';
}
