import { createAaveV3Venue } from '../../../services/chain/aave-v3/lending-venue';
import { createChainReader } from '../../../services/chain/chain-reader';
import { createChainSandbox } from '../../../services/chain/chain-sandbox';
import { erc20Calls } from '../../../services/chain/erc20';
import type {
  Address,
  ChainCallOutcome,
  ChainReader,
  ChainTransactionSender,
  LendingVenue,
} from '../../../services/chain/port';
import type { SignerPath } from '../../../services/providers/custody/port';
import { required } from '../../../services/shared/assert';
import { type ManualChain, startManualChain } from './manual-chain';
import { CONFIRMATIONS, type SenderStack, startSenderStack } from './sender-setup';

const ETHER = 10n ** 18n;
const USD = 10n ** 6n;
const FAR_DEADLINE = 4_000_000_000n;

let chain: ManualChain;
let stack: SenderStack;
let reader: ChainReader;
let venue: LendingVenue;
let sender: ChainTransactionSender;
let organizationId: string;
let operating: Address;
let user: Address;
let usdc: Address;
let weth: Address;

const platform: SignerPath = { purpose: 'operating', organizationIndex: 900 };
const account: SignerPath = { purpose: 'account', organizationIndex: 900, accountIndex: 4 };

beforeAll(async () => {
  [chain, stack] = await Promise.all([startManualChain(), startSenderStack()]);
  reader = createChainReader(chain.client);
  venue = createAaveV3Venue(chain.client, chain.deployment);
  sender = stack.newSender(chain.client);
  organizationId = await stack.createOrganization();
  operating = await stack.custody.address(platform);
  user = await stack.custody.address(account);
  usdc = required(chain.deployment.tokens.USDC, 'USDC').address;
  weth = required(chain.deployment.tokens.WETH, 'WETH').address;
  const sandbox = createChainSandbox(chain.client, chain.deployment);
  await chain.rpc('evm_setAutomine', [true]);
  await sandbox.fundNative(operating, ETHER);
  await sandbox.fundToken('WETH', operating, 2n * ETHER);
  await sandbox.fundToken('USDC', operating, 100n * USD);
  await chain.rpc('evm_setAutomine', [false]);
});

afterAll(async () => {
  await Promise.all([chain?.stop(), stack?.stop()]);
});

async function run(
  intentKey: string,
  call: { readonly to: Address; readonly data: `0x${string}` },
): Promise<ChainCallOutcome> {
  const submitted = await sender.submit({
    organizationId,
    intentKey,
    signer: platform,
    ...call,
    value: 0n,
    purpose: intentKey,
  });
  if (submitted.state === 'failed') return submitted;
  await chain.mine(CONFIRMATIONS);
  return sender.advance(organizationId, intentKey);
}

async function delegation(value: bigint, deadline: bigint) {
  const payload = await venue.delegationPayload('USDC', user, operating, value, deadline);
  const signature = await stack.custody.signTypedData(account, payload);
  return venue.delegationCall('USDC', user, operating, value, deadline, signature);
}

test('a derived address without any ETH borrows by one signature, and its debt is repaid for it', async () => {
  expect(await reader.nativeBalance(user)).toBe(0n);
  expect(await venue.position(user)).toMatchObject({ collateral: {}, debt: {}, scaledDebt: {} });
  expect(await venue.availableBorrowsUsdE8(user)).toBe(0n);

  expect(await run('approve-weth', erc20Calls.approve(weth, venue.poolAddress, ETHER))).toMatchObject({
    state: 'confirmed',
  });
  expect(await run('supply', venue.supplyCall('WETH', ETHER, user))).toMatchObject({ state: 'confirmed' });
  expect((await venue.position(user)).collateral).toEqual({ WETH: ETHER });
  // 55 % of 1 WETH at 3,000 USD.
  expect(await venue.availableBorrowsUsdE8(user)).toBe(1_650_00000000n);

  // Before the delegation the loan is refused, by an overflow in the debt token.
  expect(await run('too-early', venue.borrowCall('USDC', 120n * USD, user))).toEqual({
    state: 'failed',
    detail: 'would revert: panic 0x11',
  });
  expect(await run('delegate', await delegation(1_000n * USD, FAR_DEADLINE))).toMatchObject({ state: 'confirmed' });
  expect(await venue.delegationLeft('USDC', user, operating)).toBe(1_000n * USD);

  const before = await reader.tokenBalance(usdc, operating);
  const liquidity = await venue.availableLiquidity('USDC');
  const borrowed = await run('borrow', venue.borrowCall('USDC', 120n * USD, user));
  const drawnAt = borrowed.state === 'confirmed' ? borrowed.receipt.blockNumber : 0n;
  expect(await reader.tokenBalance(usdc, operating)).toBe(before + 120n * USD);
  expect(await venue.delegationLeft('USDC', user, operating)).toBe(880n * USD);
  expect(await venue.availableLiquidity('USDC')).toBe(liquidity - 120n * USD);
  expect(await reader.nativeBalance(user)).toBe(0n);

  const drawn = await venue.position(user, drawnAt);
  const debtAtDraw = required(drawn.debt.USDC, 'debt');
  // Aave rounds the shares of a draw half up, so the debt may be one unit off either way.
  expect(debtAtDraw - 120n * USD).toBeLessThanOrEqual(1n);
  expect(debtAtDraw - 120n * USD).toBeGreaterThanOrEqual(-1n);
  const shares = required(drawn.scaledDebt.USDC, 'shares');
  const half = 10n ** 27n / 2n;
  expect(debtAtDraw).toBe((shares * (await venue.borrowIndexRay('USDC', drawnAt)) + half) / 10n ** 27n);

  // A year later the index has grown and the shares have not.
  await chain.rpc('evm_increaseTime', [365 * 86_400]);
  await chain.mine(1);
  const { number: later } = await reader.head();
  const aged = await venue.position(user, later);
  expect(aged.scaledDebt).toEqual(drawn.scaledDebt);
  expect(required(aged.debt.USDC, 'debt')).toBeGreaterThan(debtAtDraw);
  expect(required(aged.debt.USDC, 'debt')).toBe(
    (shares * (await venue.borrowIndexRay('USDC', later)) + half) / 10n ** 27n,
  );
  expect((await venue.position(user, drawnAt)).debt).toEqual(drawn.debt);

  await run('approve-usdc', erc20Calls.approve(usdc, venue.poolAddress, 10n ** 30n));
  const owed = required((await venue.position(user)).debt.USDC, 'debt');
  const holdings = await reader.tokenBalance(usdc, operating);
  // More than the debt: the surplus is not taken.
  expect(await run('repay', venue.repayCall('USDC', owed + USD, user))).toMatchObject({ state: 'confirmed' });
  expect((await venue.position(user)).debt).toEqual({});
  expect(holdings - (await reader.tokenBalance(usdc, operating))).toBeGreaterThanOrEqual(owed);
  expect(holdings - (await reader.tokenBalance(usdc, operating))).toBeLessThan(owed + USD);
  // What was repaid does not come back to the delegation.
  expect(await venue.delegationLeft('USDC', user, operating)).toBe(880n * USD);
});

test('a loan over the limit is refused with the code of the venue', async () => {
  expect(await run('over-limit', venue.borrowCall('USDC', 870n * USD, user))).toMatchObject({ state: 'confirmed' });
  expect(await run('delegate-more', await delegation(10_000n * USD, FAR_DEADLINE + 1n))).toMatchObject({
    state: 'confirmed',
  });
  expect(await venue.delegationLeft('USDC', user, operating)).toBe(10_000n * USD);
  expect(await run('far-over-limit', venue.borrowCall('USDC', 5_000n * USD, user))).toEqual({
    state: 'failed',
    detail: 'would revert: 36',
  });
});

test('a delegation signed by someone else, or past its deadline, is refused', async () => {
  const value = 5n * USD;
  const payload = await venue.delegationPayload('USDC', user, operating, value, FAR_DEADLINE);
  const forged = await stack.custody.signTypedData(platform, payload);
  const call = await venue.delegationCall('USDC', user, operating, value, FAR_DEADLINE, forged);
  expect(await run('forged', call)).toEqual({ state: 'failed', detail: 'would revert: 79' });
  expect(await run('expired', await delegation(value, 1n))).toEqual({ state: 'failed', detail: 'would revert: 78' });
});

test('a call may build on one that still waits in the node', async () => {
  const call = { organizationId, signer: platform, value: 0n, purpose: 'test' };
  const approve = erc20Calls.approve(weth, venue.poolAddress, 7n);
  await sender.submit({ ...call, intentKey: 'approve-7', ...approve });
  const supply = venue.supplyCall('WETH', 7n, user);
  expect(await sender.submit({ ...call, intentKey: 'supply-7', ...supply })).toMatchObject({ state: 'broadcast' });
  await chain.mine(CONFIRMATIONS);
  expect(await sender.advance(organizationId, 'supply-7')).toMatchObject({ state: 'confirmed' });
});

test("the venue's own limits, rate and liquidity", async () => {
  expect(await venue.collateralLimits('WETH')).toEqual({
    ltvBps: 5_500,
    liquidationThresholdBps: 7_500,
    liquidationBonusBps: 350,
  });
  expect(await venue.borrowRateRay('USDC')).toBeGreaterThan(0n);
  // Not borrowable here, whatever lies in the reserve.
  expect(await venue.availableLiquidity('WETH')).toBe(0n);
  await expect(venue.availableLiquidity('DOGE')).rejects.toThrow('DOGE');
  expect(() => venue.supplyCall('DOGE', 1n, user)).toThrow('DOGE');
});
