import { maxUint256, parseAbi } from 'viem';
import type { Hex } from '../../services/providers/custody/port';
import { required } from '../../services/shared/assert';
import { sandboxChainId } from '../anvil';
import { deployAave } from './deploy-aave';
import { deployFeeds, deployTokens } from './deploy-tokens';
import { readDeployment, type SandboxDeployment, writeDeployment } from './deployment-file';
import { type Market, markets } from './markets';
import { type LocalAccount, sandboxAccount, startTransactionBatch, type TransactionBatch } from './transaction-batch';

/** Blocks after which the sandbox takes an effect as final. */
const CONFIRMATIONS = 2;
/** Another user's loan, so that borrowing has a rate and the venue's index moves: 1,000 WETH for 1,000,000 USDC. */
const borrower = {
  collateralWeth: 1_000n * 10n ** 18n,
  debtUsdc: 1_000_000n * 10n ** 6n,
};
const VARIABLE_RATE = 2n;
/** Of each token; native currency lies on the same account. */
const FAUCET_WHOLE_TOKENS = 100_000_000n;

const tokenAbi = parseAbi([
  'function mint(address to, uint256 amount)',
  'function approve(address spender, uint256 amount)',
  'function deposit() payable',
]);
const poolAbi = parseAbi([
  'function supply(address asset, uint256 amount, address onBehalfOf, uint16 referralCode)',
  'function borrow(address asset, uint256 amount, uint256 interestRateMode, uint16 referralCode, address onBehalfOf)',
]);

/**
 * Makes sure that the development chain carries tokens, price feeds and Aave v3 with liquidity, and that `file`
 * describes them. A chain that still has what the file says is left alone, apart from its URL.
 */
export async function ensureChainDeployment(rpcUrl: string, file: string): Promise<SandboxDeployment> {
  const known = readDeployment(file);
  const batch = startTransactionBatch(rpcUrl, sandboxAccount(0));
  if (known !== null && (await isStillThere(batch, known))) {
    const moved = { ...known, rpcUrl };
    writeDeployment(file, moved);
    return moved;
  }
  const deployment = await deploy(batch, rpcUrl);
  writeDeployment(file, deployment);
  return deployment;
}

async function isStillThere(batch: TransactionBatch, known: SandboxDeployment): Promise<boolean> {
  const places = [known.aave.pool, ...Object.values(known.tokens).map((token) => token.address)];
  const codes = await Promise.all(places.map((address) => batch.client.getCode({ address })));
  return codes.every((code) => code !== undefined && code !== '0x');
}

async function deploy(batch: TransactionBatch, rpcUrl: string): Promise<SandboxDeployment> {
  const admin = sandboxAccount(0);
  const faucet = sandboxAccount(2);
  const lender = sandboxAccount(3);
  const loanUser = sandboxAccount(4);
  const tokens = await deployTokens(batch, markets, faucet);
  const feeds = await deployFeeds(batch, markets);
  await batch.settle();
  await fillFaucet(batch, tokens, faucet);
  const aave = await deployAave(batch, admin, markets, tokens, feeds);
  await supplyLiquidity(batch, markets, tokens, aave.pool, faucet, lender);
  await openLoan(batch, tokens, aave.pool, loanUser);
  return {
    chainId: sandboxChainId,
    rpcUrl,
    confirmations: CONFIRMATIONS,
    tokens: Object.fromEntries(
      markets.map(({ code, decimals }) => [code, { address: required(tokens[code], code), decimals }]),
    ),
    feeds,
    aave,
    sandbox: { faucet: faucet.address, feedOwner: faucet.address },
  };
}

/** Gives the faucet of every token what tests and demonstrations will never use up. */
async function fillFaucet(
  batch: TransactionBatch,
  tokens: Readonly<Record<string, Hex>>,
  faucet: LocalAccount,
): Promise<void> {
  for (const market of markets) {
    const token = required(tokens[market.code], market.code);
    const amount = FAUCET_WHOLE_TOKENS * 10n ** BigInt(market.decimals);
    if (market.contract === 'weth')
      await batch.call(token, tokenAbi, 'deposit', [], {
        from: faucet,
        value: amount,
      });
    else
      await batch.call(token, tokenAbi, 'mint', [faucet.address, amount], {
        from: faucet,
      });
  }
}

async function supplyLiquidity(
  batch: TransactionBatch,
  all: readonly Market[],
  tokens: Readonly<Record<string, Hex>>,
  pool: Hex,
  faucet: LocalAccount,
  lender: LocalAccount,
): Promise<void> {
  const supplied = all
    .filter((market) => market.seedLiquidity > 0n)
    .map((market) => ({
      asset: required(tokens[market.code], market.code),
      amount: market.seedLiquidity * 10n ** BigInt(market.decimals),
    }));
  for (const { asset, amount } of supplied) {
    await batch.call(asset, tokenAbi, 'mint', [lender.address, amount], {
      from: faucet,
    });
  }
  await batch.settle();
  for (const { asset, amount } of supplied) {
    await batch.call(asset, tokenAbi, 'approve', [pool, maxUint256], {
      from: lender,
    });
    await batch.call(pool, poolAbi, 'supply', [asset, amount, lender.address, 0], { from: lender });
  }
  await batch.settle();
}

async function openLoan(
  batch: TransactionBatch,
  tokens: Readonly<Record<string, Hex>>,
  pool: Hex,
  user: LocalAccount,
): Promise<void> {
  const weth = required(tokens.WETH, 'WETH');
  const usdc = required(tokens.USDC, 'USDC');
  const from = { from: user };
  await batch.call(weth, tokenAbi, 'deposit', [], {
    ...from,
    value: borrower.collateralWeth,
  });
  await batch.call(weth, tokenAbi, 'approve', [pool, maxUint256], from);
  await batch.call(pool, poolAbi, 'supply', [weth, borrower.collateralWeth, user.address, 0], from);
  await batch.call(pool, poolAbi, 'borrow', [usdc, borrower.debtUsdc, VARIABLE_RATE, 0, user.address], from);
  await batch.settle();
}
