import { encodeFunctionData, parseSignature, zeroAddress } from 'viem';
import { required } from '../../shared/assert';
import { maxBigint, minBigint } from '../../shared/money';
import { erc20Abi } from '../abi';
import type { ChainClient } from '../clients';
import type { Address, ChainDeployment, LendingVenue } from '../port';
import { dataProviderAbi, debtTokenAbi, poolAbi, scaledTokenAbi } from './abi';

/** Aave's interest rate mode; stable borrowing (1) is switched off everywhere. */
const VARIABLE_RATE = 2n;
const REFERRAL_CODE = 0;
/** Liquidation bonus is stored as what the liquidator receives: 10500 is 5 %. */
const PERCENTAGE_FACTOR = 10_000n;

interface Reserve {
  readonly assetCode: string;
  readonly underlying: Address;
  readonly decimals: number;
  readonly aToken: Address;
  readonly variableDebtToken: Address;
}

function at(blockNumber: bigint | undefined): { readonly blockNumber?: bigint } {
  return blockNumber === undefined ? {} : { blockNumber };
}

/**
 * Aave v3 in our words. Sources: the Pool, AaveProtocolDataProvider and VariableDebtToken contracts of `@aave/core-v3` 1.19.3.
 * The addresses of a reserve's tokens never change and are read once. Asset codes that the deployment does not list throw.
 */
export function createAaveV3Venue(
  client: ChainClient,
  deployment: Pick<ChainDeployment, 'chainId' | 'tokens' | 'aave'>,
): LendingVenue {
  const pool = deployment.aave.pool;
  const dataProvider = { address: deployment.aave.poolDataProvider, abi: dataProviderAbi } as const;
  const known = new Map<string, Reserve | null>();

  function token(assetCode: string): { readonly address: Address; readonly decimals: number } {
    return required(deployment.tokens[assetCode], `token ${assetCode} of chain ${deployment.chainId}`);
  }

  async function findReserve(assetCode: string): Promise<Reserve | null> {
    const cached = known.get(assetCode);
    if (cached !== undefined) return cached;
    const { address: underlying, decimals } = token(assetCode);
    const [aToken, , variableDebtToken] = await client.readContract({
      ...dataProvider,
      functionName: 'getReserveTokensAddresses',
      args: [underlying],
    });
    // A token that is not listed may be listed later, so only a found reserve is remembered.
    if (aToken === zeroAddress) return null;
    const reserve = { assetCode, underlying, decimals, aToken, variableDebtToken };
    known.set(assetCode, reserve);
    return reserve;
  }

  async function reserveOf(assetCode: string): Promise<Reserve> {
    return required(await findReserve(assetCode), `Aave reserve of ${assetCode}`);
  }

  function poolCall(data: `0x${string}`) {
    return { to: pool, data };
  }

  return {
    venue: 'aave_v3',
    poolAddress: pool,

    supplyCall: (assetCode, amount, onBehalfOf) =>
      poolCall(
        encodeFunctionData({
          abi: poolAbi,
          functionName: 'supply',
          args: [token(assetCode).address, amount, onBehalfOf, REFERRAL_CODE],
        }),
      ),

    withdrawCall: (assetCode, amount, to) =>
      poolCall(
        encodeFunctionData({ abi: poolAbi, functionName: 'withdraw', args: [token(assetCode).address, amount, to] }),
      ),

    borrowCall: (assetCode, amount, onBehalfOf) =>
      poolCall(
        encodeFunctionData({
          abi: poolAbi,
          functionName: 'borrow',
          args: [token(assetCode).address, amount, VARIABLE_RATE, REFERRAL_CODE, onBehalfOf],
        }),
      ),

    repayCall: (assetCode, amount, onBehalfOf) =>
      poolCall(
        encodeFunctionData({
          abi: poolAbi,
          functionName: 'repay',
          args: [token(assetCode).address, amount, VARIABLE_RATE, onBehalfOf],
        }),
      ),

    async delegationPayload(assetCode, owner, delegatee, value, deadline) {
      const { variableDebtToken } = await reserveOf(assetCode);
      const debtToken = { address: variableDebtToken, abi: debtTokenAbi } as const;
      const [name, nonce] = await Promise.all([
        client.readContract({ ...debtToken, functionName: 'name' }),
        client.readContract({ ...debtToken, functionName: 'nonces', args: [owner] }),
      ]);
      return {
        domain: { name, version: '1', chainId: deployment.chainId, verifyingContract: variableDebtToken },
        types: {
          DelegationWithSig: [
            { name: 'delegatee', type: 'address' },
            { name: 'value', type: 'uint256' },
            { name: 'nonce', type: 'uint256' },
            { name: 'deadline', type: 'uint256' },
          ],
        },
        primaryType: 'DelegationWithSig',
        message: { delegatee, value, nonce, deadline },
      };
    },

    async delegationCall(assetCode, owner, delegatee, value, deadline, signature) {
      const { variableDebtToken } = await reserveOf(assetCode);
      const { r, s, yParity } = parseSignature(signature);
      return {
        to: variableDebtToken,
        data: encodeFunctionData({
          abi: debtTokenAbi,
          functionName: 'delegationWithSig',
          args: [owner, delegatee, value, deadline, 27 + yParity, r, s],
        }),
      };
    },

    async delegationLeft(assetCode, owner, delegatee) {
      const { variableDebtToken } = await reserveOf(assetCode);
      return client.readContract({
        address: variableDebtToken,
        abi: debtTokenAbi,
        functionName: 'borrowAllowance',
        args: [owner, delegatee],
      });
    },

    async position(owner, blockNumber) {
      // Without a pinned block each balance could come from another one, with another interest index.
      const pinned = blockNumber ?? (await client.getBlockNumber());
      const codes = Object.keys(deployment.tokens);
      const found = await Promise.all(codes.map((assetCode) => findReserve(assetCode)));
      const reserves = found.filter((reserve) => reserve !== null);

      async function balances(
        functionName: 'balanceOf' | 'scaledBalanceOf',
        tokenOf: (reserve: Reserve) => Address,
      ): Promise<Record<string, bigint>> {
        const amounts = await Promise.all(
          reserves.map((reserve) =>
            client.readContract({
              address: tokenOf(reserve),
              abi: scaledTokenAbi,
              functionName,
              args: [owner],
              blockNumber: pinned,
            }),
          ),
        );
        const byAsset: Record<string, bigint> = {};
        reserves.forEach((reserve, index) => {
          const amount = amounts[index] ?? 0n;
          if (amount > 0n) byAsset[reserve.assetCode] = amount;
        });
        return byAsset;
      }

      const [collateral, debt, scaledCollateral, scaledDebt] = await Promise.all([
        balances('balanceOf', (reserve) => reserve.aToken),
        balances('balanceOf', (reserve) => reserve.variableDebtToken),
        balances('scaledBalanceOf', (reserve) => reserve.aToken),
        balances('scaledBalanceOf', (reserve) => reserve.variableDebtToken),
      ]);
      return { blockNumber: pinned, collateral, debt, scaledCollateral, scaledDebt };
    },

    async borrowIndexRay(assetCode, blockNumber) {
      return client.readContract({
        address: pool,
        abi: poolAbi,
        functionName: 'getReserveNormalizedVariableDebt',
        args: [token(assetCode).address],
        ...at(blockNumber),
      });
    },

    async availableLiquidity(assetCode, blockNumber) {
      const reserve = await reserveOf(assetCode);
      const pinned = blockNumber ?? (await client.getBlockNumber());
      const args = [reserve.underlying] as const;
      const [cash, configuration, paused, [borrowCap], totalDebt] = await Promise.all([
        client.readContract({
          address: reserve.underlying,
          abi: erc20Abi,
          functionName: 'balanceOf',
          args: [reserve.aToken],
          blockNumber: pinned,
        }),
        client.readContract({
          ...dataProvider,
          functionName: 'getReserveConfigurationData',
          args,
          blockNumber: pinned,
        }),
        client.readContract({ ...dataProvider, functionName: 'getPaused', args, blockNumber: pinned }),
        client.readContract({ ...dataProvider, functionName: 'getReserveCaps', args, blockNumber: pinned }),
        client.readContract({ ...dataProvider, functionName: 'getTotalDebt', args, blockNumber: pinned }),
      ]);
      const [, , , , , , borrowingEnabled, , isActive, isFrozen] = configuration;
      if (paused || isFrozen || !isActive || !borrowingEnabled) return 0n;
      // A cap is in whole tokens, and zero means that there is none.
      const underCap = borrowCap === 0n ? cash : maxBigint(0n, borrowCap * 10n ** BigInt(reserve.decimals) - totalDebt);
      return minBigint(cash, underCap);
    },

    async borrowRateRay(assetCode) {
      const data = await client.readContract({
        ...dataProvider,
        functionName: 'getReserveData',
        args: [token(assetCode).address],
      });
      return data[6];
    },

    async availableBorrowsUsdE8(owner, blockNumber) {
      const [, , availableBorrowsBase] = await client.readContract({
        address: pool,
        abi: poolAbi,
        functionName: 'getUserAccountData',
        args: [owner],
        ...at(blockNumber),
      });
      return availableBorrowsBase;
    },

    async collateralLimits(assetCode) {
      const [, ltv, threshold, bonus, , usageAsCollateralEnabled] = await client.readContract({
        ...dataProvider,
        functionName: 'getReserveConfigurationData',
        args: [token(assetCode).address],
      });
      return {
        ltvBps: usageAsCollateralEnabled ? Number(ltv) : 0,
        liquidationThresholdBps: usageAsCollateralEnabled ? Number(threshold) : 0,
        liquidationBonusBps: bonus === 0n ? 0 : Number(bonus - PERCENTAGE_FACTOR),
      };
    },
  };
}
