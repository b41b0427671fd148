import { parseTransaction, recoverTransactionAddress, recoverTypedDataAddress } from 'viem';
import { createDevelopmentCustody, derivationPath } from '../../../services/providers/custody/development';
import type { SignerPath } from '../../../services/providers/custody/port';

// The words and first addresses that every development chain publishes.
const words = 'test test test test test test test test test test test junk';
const account: SignerPath = { purpose: 'account', organizationIndex: 3, accountIndex: 7 };

test('paths keep organizations, purposes and accounts apart', () => {
  expect(derivationPath({ purpose: 'operating', organizationIndex: 3 })).toBe("m/44'/60'/3'/0/0");
  expect(derivationPath({ purpose: 'treasury', organizationIndex: 3 })).toBe("m/44'/60'/3'/1/0");
  expect(derivationPath(account)).toBe("m/44'/60'/3'/2/7");
  for (const accountIndex of [-1, 1.5, 2 ** 31]) {
    expect(() => derivationPath({ ...account, accountIndex })).toThrow('accountIndex');
  }
});

test("the first organization's operating wallet is the first account that everyone else derives", async () => {
  const custody = createDevelopmentCustody(words);
  expect(await custody.address({ purpose: 'operating', organizationIndex: 0 })).toBe(
    '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266',
  );
  expect(custody.kind).toBe('development');
});

test('what it signs recovers to its address, and the hash is that of the bytes', async () => {
  const custody = createDevelopmentCustody(words);
  const address = await custody.address(account);
  const transaction = {
    chainId: 31337,
    nonce: 5,
    to: '0x00000000000000000000000000000000000000AA',
    data: '0x1234',
    value: 9n,
    gas: 21_000n,
    maxFeePerGas: 7n,
    maxPriorityFeePerGas: 2n,
  } as const;
  const { raw, hash } = await custody.signTransaction(account, transaction);
  expect(parseTransaction(raw)).toMatchObject({ type: 'eip1559', chainId: 31337, nonce: 5, value: 9n, gas: 21_000n });
  expect(await recoverTransactionAddress({ serializedTransaction: raw as `0x02${string}` })).toBe(address);
  expect((await custody.signTransaction(account, transaction)).hash).toBe(hash);

  const payload = {
    domain: { name: 'Token', version: '1', chainId: 31337, verifyingContract: transaction.to },
    types: { Note: [{ name: 'value', type: 'uint256' }] },
    primaryType: 'Note',
    message: { value: 4n },
  } as const;
  const signature = await custody.signTypedData(account, payload);
  expect(await recoverTypedDataAddress({ ...payload, signature })).toBe(address);
});

test('words that are no mnemonic are refused, and why is said', () => {
  const wrong = words.replace('junk', 'test');
  expect(() => createDevelopmentCustody(wrong)).toThrow('wrong checksum');
  expect(() => createDevelopmentCustody(words.replace('junk', 'junq'))).toThrow('not in the list');
  expect(() => createDevelopmentCustody('test junk')).toThrow('has 2 words');
});
