import type { Hex, SignerPath, TypedDataPayload } from '../providers/custody/port';

/** Addresses that this context returns are spelled by EIP-55, so equal addresses are equal strings. */
export type Address = Hex;

/** A block of the chain, as confirmation policies need it. */
export interface ChainBlock {
  readonly number: bigint;
  readonly hash: Hex;
  readonly timestamp: Date;
}

/** An ERC-20 Transfer seen in a log. */
export interface TokenTransferLog {
  readonly chainId: number;
  readonly token: Address;
  readonly transactionHash: Hex;
  readonly blockHash: Hex;
  readonly blockNumber: bigint;
  /** Position among the logs of its own receipt: it survives a reorg, the block-wide log index does not. */
  readonly receiptPosition: number;
  readonly from: Address;
  readonly to: Address;
  readonly amount: bigint;
}

/** Reads that need no key. `blockNumber` pins a read to one block, so that several can be compared. */
export interface ChainReader {
  readonly chainId: number;
  head(): Promise<ChainBlock>;
  block(number: bigint): Promise<ChainBlock | null>;
  tokenBalance(token: Address, owner: Address, blockNumber?: bigint): Promise<bigint>;
  nativeBalance(owner: Address, blockNumber?: bigint): Promise<bigint>;
  /**
   * Transfers of any of `tokens` in the block range (both ends included), in order. `recipients` narrows the search in
   * the node, which a token with much traffic needs: every transaction found costs one receipt. Without it the caller filters.
   */
  tokenTransfers(
    tokens: readonly Address[],
    fromBlock: bigint,
    toBlock: bigint,
    recipients?: readonly Address[],
  ): Promise<readonly TokenTransferLog[]>;
  /**
   * The log as the canonical chain has it now (its block may have changed): the receipt is re-read and its block hash
   * compared with the chain's block of that number. `null` when the transaction is not in the canonical chain.
   */
  tokenTransferNow(
    log: Pick<TokenTransferLog, 'transactionHash' | 'receiptPosition'>,
  ): Promise<TokenTransferLog | null>;
  /** Latest answer of a Chainlink-style feed. `answer` has 8 decimals. */
  feedRound(
    feed: Address,
    blockNumber?: bigint,
  ): Promise<{ readonly roundId: bigint; readonly answer: bigint; readonly updatedAt: Date }>;
}

export type ChainIntentState = 'queued' | 'signed' | 'broadcast' | 'confirmed' | 'reverted' | 'failed';

export interface ChainReceipt {
  readonly transactionHash: Hex;
  readonly blockHash: Hex;
  readonly blockNumber: bigint;
  readonly status: 'success' | 'reverted';
  readonly gasUsed: bigint;
  readonly effectiveGasPrice: bigint;
  readonly from: Address;
}

/** A call to be made once: the intent key is the business key of the effect, e.g. `draw:<id>:borrow`. */
export interface ChainCall {
  readonly organizationId: string;
  readonly intentKey: string;
  readonly signer: SignerPath;
  readonly to: Address;
  readonly data: Hex;
  readonly value: bigint;
  readonly purpose: string;
}

/**
 * Where a call stands. `confirmed`, `reverted` and `failed` are final. `reverted` is on chain, consumed its nonce and
 * paid gas; `failed` had no effect: its estimate reverted before anything was signed, or its nonce was given up.
 * `problem` says why a call that is not final does not move (no gas money, refused fee), for alerts.
 */
export type ChainCallOutcome =
  | {
      readonly state: 'queued' | 'signed' | 'broadcast';
      readonly transactionHash: Hex | null;
      readonly problem?: string;
    }
  | { readonly state: 'confirmed'; readonly receipt: ChainReceipt }
  | { readonly state: 'reverted'; readonly receipt: ChainReceipt; readonly detail?: string }
  | { readonly state: 'failed'; readonly detail: string };

export interface PendingIntent {
  readonly organizationId: string;
  readonly intentKey: string;
  readonly state: 'queued' | 'signed' | 'broadcast';
}

/**
 * The durable sender. `submit` allocates a nonce, signs and stores the bytes in one commit, then broadcasts; the same
 * intent key again returns the state of the first. `advance` looks at one intent once: rebroadcasts, bumps fees, or
 * confirms it by the chain's confirmation policy. Neither waits: callers (workflows, a sweeper) call `advance` again.
 */
export interface ChainTransactionSender {
  /**
   * Throws when the intent key is known with another signer, target, calldata or value: an intent is decided once. Wait for
   * `confirmed` before a call that builds on this one: not every node estimates on transactions that still wait.
   */
  submit(call: ChainCall): Promise<ChainCallOutcome>;
  /** Throws when the intent is unknown. */
  advance(organizationId: string, intentKey: string): Promise<ChainCallOutcome>;
  /**
   * Gives up a signed call: its nonce is filled with a transfer of nothing to itself. Either may land; the outcome says which.
   * A call that is still queued fails at once.
   */
  cancel(organizationId: string, intentKey: string, reason: string): Promise<ChainCallOutcome>;
  /**
   * Looks again at a call that has landed: a reorg deeper than the policy can take back what was confirmed. Gone, the same bytes are
   * sent again, so that the effect is still one at most. `lost`: another transaction has its nonce for good, it can never land.
   */
  restore(
    organizationId: string,
    intentKey: string,
  ): Promise<
    | { readonly kind: 'present'; readonly blockNumber: bigint; readonly confirmed: boolean }
    | { readonly kind: 'sent_again' }
    | { readonly kind: 'lost' }
  >;
  /** Intents that are not final, of one organization or (needs the worker's database role) of all, oldest look first. */
  pendingIntents(organizationId?: string): Promise<readonly PendingIntent[]>;
}

/** Calldata for the calls we make, so that use cases never encode. */
export interface Erc20Calls {
  transfer(token: Address, to: Address, amount: bigint): { readonly to: Address; readonly data: Hex };
  approve(token: Address, spender: Address, amount: bigint): { readonly to: Address; readonly data: Hex };
}

export interface VenuePosition {
  readonly blockNumber: bigint;
  /** Supplied amount with its yield, base units by asset code, at that block. Assets without any are left out. */
  readonly collateral: Readonly<Record<string, bigint>>;
  /** Debt in base units of the borrowed asset, by asset code, at that block. Assets without any are left out. */
  readonly debt: Readonly<Record<string, bigint>>;
  /** The same in the venue's own shares, which only operations change, never time. */
  readonly scaledCollateral: Readonly<Record<string, bigint>>;
  readonly scaledDebt: Readonly<Record<string, bigint>>;
}

/** A lending market in our words. Aave v3 is the first. */
export interface LendingVenue {
  readonly venue: 'aave_v3';
  /** Spender that must be approved before supply and repay. */
  readonly poolAddress: Address;
  supplyCall(assetCode: string, amount: bigint, onBehalfOf: Address): { readonly to: Address; readonly data: Hex };
  withdrawCall(assetCode: string, amount: bigint, to: Address): { readonly to: Address; readonly data: Hex };
  borrowCall(assetCode: string, amount: bigint, onBehalfOf: Address): { readonly to: Address; readonly data: Hex };
  repayCall(assetCode: string, amount: bigint, onBehalfOf: Address): { readonly to: Address; readonly data: Hex };
  /**
   * The owner signs this once; anyone may submit it with {@link delegationCall}. `value` replaces an earlier delegation.
   * The payload carries the owner's next nonce at the debt token; `deadline` is seconds since 1970.
   */
  delegationPayload(
    assetCode: string,
    owner: Address,
    delegatee: Address,
    value: bigint,
    deadline: bigint,
  ): Promise<TypedDataPayload>;
  delegationCall(
    assetCode: string,
    owner: Address,
    delegatee: Address,
    value: bigint,
    deadline: bigint,
    signature: Hex,
  ): Promise<{ readonly to: Address; readonly data: Hex }>;
  delegationLeft(assetCode: string, owner: Address, delegatee: Address): Promise<bigint>;
  position(owner: Address, blockNumber?: bigint): Promise<VenuePosition>;
  /** Variable borrow index of the reserve in ray (10^27), normalised to the block's time. */
  borrowIndexRay(assetCode: string, blockNumber?: bigint): Promise<bigint>;
  /** Base units that can still be borrowed from the reserve. */
  availableLiquidity(assetCode: string, blockNumber?: bigint): Promise<bigint>;
  /** Yearly variable borrow rate in ray. */
  borrowRateRay(assetCode: string): Promise<bigint>;
  /** USD with 8 decimals that the owner's collateral still lets the venue lend, by the venue's own prices. */
  availableBorrowsUsdE8(owner: Address, blockNumber?: bigint): Promise<bigint>;
  /** The venue's own limits of a collateral asset, basis points. */
  collateralLimits(assetCode: string): Promise<{
    readonly ltvBps: number;
    readonly liquidationThresholdBps: number;
    readonly liquidationBonusBps: number;
  }>;
}

/** What the chain has deployed: written by the embedded stack, or by the operator in production. */
export interface ChainDeployment {
  readonly chainId: number;
  readonly rpcUrl: string;
  readonly confirmations: number;
  readonly tokens: Readonly<Record<string, { readonly address: Address; readonly decimals: number }>>;
  readonly feeds: Readonly<Record<string, Address>>;
  readonly aave: {
    readonly pool: Address;
    readonly poolAddressesProvider: Address;
    readonly poolDataProvider: Address;
    readonly oracle: Address;
  };
  /** Only on a development chain: what {@link ChainSandbox} needs. */
  readonly sandbox?: {
    /** Holds plenty of every token and of native currency; the development node signs for it. */
    readonly faucet: Address;
    /** Owner that may set the answers of the feeds; the development node signs for it. */
    readonly feedOwner: Address;
  };
}

/** Powers over a development chain, behind `/v1/simulate` only. Every call returns once its effect is in a block. */
export interface ChainSandbox {
  /** Sends `amount` base units of the token from the faucet; a real Transfer log is the result. */
  fundToken(assetCode: string, to: Address, amount: bigint): Promise<{ readonly transactionHash: Hex }>;
  /** What the faucet can still send of the token. */
  faucetBalance(assetCode: string): Promise<bigint>;
  /** Adds `amount` wei to the balance of `to`. */
  fundNative(to: Address, amount: bigint): Promise<void>;
  /** `answer` has 8 decimals. `updatedAt` in the past makes the feed look old. */
  setFeedAnswer(assetCode: string, answer: bigint, updatedAt: Date): Promise<void>;
  mine(blocks: number): Promise<void>;
  /** Replaces the newest `depth` blocks by empty ones: what was in them is gone until someone sends it again. */
  reorg(depth: number): Promise<void>;
  /** Moves the chain's clock forward and mines a block. */
  increaseTime(seconds: number): Promise<void>;
}
