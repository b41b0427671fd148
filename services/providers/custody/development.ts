import { pbkdf2Sync } from 'node:crypto';
import { keccak256 } from 'viem';
import { type HDAccount, HDKey, hdKeyToAccount, mnemonicToAccount } from 'viem/accounts';
import { invariant } from '../../shared/assert';
import type { Custody, Hex, SignerPath, TypedDataPayload, UnsignedTransaction } from './port';

type DerivationPath = `m/44'/60'/${string}`;

const HARDENED_INDICES = 2 ** 31;

function index(value: number, what: string): number {
  invariant(Number.isInteger(value) && value >= 0 && value < HARDENED_INDICES, `${what} is not a derivation index`);
  return value;
}

/**
 * BIP-32 path of a signer. The organization is hardened, so that a leaked account key never exposes a sibling organization:
 * `m/44'/60'/<organization>'/0/0` operating, `…/1/0` treasury, `…/2/<account>` one account.
 */
export function derivationPath(path: SignerPath): DerivationPath {
  const organization = `m/44'/60'/${index(path.organizationIndex, 'organizationIndex')}'` as const;
  switch (path.purpose) {
    case 'operating':
      return `${organization}/0/0`;
    case 'treasury':
      return `${organization}/1/0`;
    case 'account':
      return `${organization}/2/${index(path.accountIndex, 'accountIndex')}`;
  }
}

/**
 * Keys derived from a mnemonic that lies in the environment: for development and tests, refused in production by its kind.
 * Throws when the mnemonic's checksum is wrong.
 */
export function createDevelopmentCustody(mnemonic: string): Custody {
  const words = mnemonic.trim().normalize('NFKD');
  const root = HDKey.fromMasterSeed(pbkdf2Sync(words, 'mnemonic', 2048, 64, 'sha512'));
  // viem checks the words; deriving the seed once ourselves saves that work on every new path.
  invariant(
    mnemonicToAccount(words).address === hdKeyToAccount(root).address,
    'the mnemonic gives another seed than the reference derivation',
  );
  const accounts = new Map<string, HDAccount>();

  function account(path: SignerPath): HDAccount {
    const derivation = derivationPath(path);
    const known = accounts.get(derivation);
    if (known) return known;
    const derived = hdKeyToAccount(root, { path: derivation });
    accounts.set(derivation, derived);
    return derived;
  }

  return {
    kind: 'development',

    async address(path: SignerPath): Promise<Hex> {
      return account(path).address;
    },

    async signTransaction(path: SignerPath, transaction: UnsignedTransaction) {
      const raw = await account(path).signTransaction({ type: 'eip1559', ...transaction });
      return { raw, hash: keccak256(raw) };
    },

    async signTypedData(path: SignerPath, payload: TypedDataPayload): Promise<Hex> {
      return account(path).signTypedData({
        domain: payload.domain,
        types: payload.types,
        primaryType: payload.primaryType,
        message: payload.message,
      });
    },
  };
}
