import { parseDeployment } from '../../../services/chain/load-deployment';

const pool = '0x5fbdb2315678afecb367f032d93f642f64180aa3';
const spelled = '0x5FbDB2315678afecb367f032d93F642f64180aa3';
const document = {
  chainId: 31337,
  rpcUrl: 'http://127.0.0.1:8545',
  confirmations: 2,
  tokens: { USDC: { address: pool, decimals: 6 } },
  feeds: { USDC: pool },
  aave: { pool, poolAddressesProvider: pool, poolDataProvider: pool, oracle: pool },
};

test('spells every address by EIP-55, so that they compare as strings', () => {
  const deployment = parseDeployment({ ...document, sandbox: { faucet: pool, feedOwner: pool } });
  expect(deployment.tokens.USDC?.address).toBe(spelled);
  expect(deployment.aave.oracle).toBe(spelled);
  expect(deployment.sandbox).toEqual({ faucet: spelled, feedOwner: spelled });
});

test('has no sandbox part unless the document has one', () => {
  expect('sandbox' in parseDeployment(document)).toBe(false);
});

test('says every problem at once', () => {
  const broken = { ...document, confirmations: 0, feeds: { USDC: '0x12' } };
  expect(() => parseDeployment(broken)).toThrow(/confirmations[\s\S]*feeds\.USDC|feeds\.USDC[\s\S]*confirmations/);
});
