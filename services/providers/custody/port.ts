/** A 0x-prefixed hex string. */
export type Hex = `0x${string}`;

/** Which key signs: the organization's operating wallet, its treasury, or one account's own derived address. */
export type SignerPath =
  | { readonly purpose: 'operating'; readonly organizationIndex: number }
  | { readonly purpose: 'treasury'; readonly organizationIndex: number }
  | { readonly purpose: 'account'; readonly organizationIndex: number; readonly accountIndex: number };

export interface UnsignedTransaction {
  readonly chainId: number;
  readonly nonce: number;
  readonly to: Hex;
  readonly data: Hex;
  readonly value: bigint;
  readonly gas: bigint;
  readonly maxFeePerGas: bigint;
  readonly maxPriorityFeePerGas: bigint;
}

export interface TypedDataPayload {
  readonly domain: Readonly<Record<string, unknown>>;
  readonly types: Readonly<Record<string, readonly { readonly name: string; readonly type: string }[]>>;
  readonly primaryType: string;
  readonly message: Readonly<Record<string, unknown>>;
}

/** Holds keys; they never leave it. The development adapter derives from a mnemonic and is refused in production. */
export interface Custody {
  readonly kind: 'development' | 'vault';
  address(path: SignerPath): Promise<Hex>;
  signTransaction(
    path: SignerPath,
    transaction: UnsignedTransaction,
  ): Promise<{ readonly raw: Hex; readonly hash: Hex }>;
  signTypedData(path: SignerPath, payload: TypedDataPayload): Promise<Hex>;
}
