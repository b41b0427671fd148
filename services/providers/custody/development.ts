import { createHash, pbkdf2Sync } from 'node:crypto';
import { keccak256 } from 'viem';
import { english, type HDAccount, HDKey, hdKeyToAccount } from 'viem/accounts';
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

/** Why the words are not a BIP-39 mnemonic in English, or null. A typing error would otherwise open other wallets. */
function mnemonicProblem(words: readonly string[]): string | null {
  if (![12, 15, 18, 21, 24].includes(words.length)) return `has ${words.length} words`;
  const places = words.map((word) => english.indexOf(word));
  if (places.includes(-1)) return 'has a word that is not in the list';
  const bits = places.map((place) => place.toString(2).padStart(11, '0')).join('');
  // One bit of checksum for each 32 of entropy.
  const entropyBits = bits.slice(0, (bits.length * 32) / 33);
  const entropy = Buffer.from(BigInt(`0b1${entropyBits}`).toString(16).slice(1), 'hex');
  const hash = createHash('sha256').update(entropy).digest();
  const checksum = BigInt(`0x${hash.toString('hex')}`)
    .toString(2)
    .padStart(256, '0');
  return checksum.startsWith(bits.slice(entropyBits.length)) ? null : 'has a wrong checksum';
}

/**
 * Keys derived from a mnemonic that lies in the environment: for development and tests, refused in production by its kind.
 * Throws when it is not a BIP-39 mnemonic in English.
 */
export function createDevelopmentCustody(mnemonic: string): Custody {
  const words = mnemonic.trim().split(/\s+/);
  const problem = mnemonicProblem(words);
  invariant(problem === null, `the mnemonic ${problem}`);
  // Derived once: stretching the words costs more than all that follows.
  const root = HDKey.fromMasterSeed(pbkdf2Sync(words.join(' '), 'mnemonic', 2048, 64, 'sha512'));
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
