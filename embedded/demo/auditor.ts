import { createPublicClient, http, parseAbi } from 'viem';
import type { Hex } from '../../services/providers/custody/port';
import { required } from '../../services/shared/assert';
import type { SandboxDeployment } from '../chain/deployment-file';

const dataProviderAbi = parseAbi([
  'function getReserveTokensAddresses(address asset) view returns (address aToken, address stableDebtToken, address variableDebtToken)',
]);
const poolEventsAbi = parseAbi([
  'event Borrow(address indexed reserve, address user, address indexed onBehalfOf, uint256 amount, uint8 interestRateMode, uint256 borrowRate, uint16 indexed referralCode)',
  'event Repay(address indexed reserve, address indexed user, address indexed repayer, uint256 amount, bool useATokens)',
]);
const balanceAbi = parseAbi(['function balanceOf(address owner) view returns (uint256)']);

/** Reads the chain by itself, as somebody would who does not trust us. Amounts are base units. */
export interface ChainAuditor {
  /** Balance in Aave's variable debt token of the asset: what `owner` owes there with interest. */
  venueDebt(assetCode: string, owner: Hex, blockNumber?: bigint): Promise<bigint>;
  /** Balance in Aave's aToken of the asset: what stands as collateral for `owner`, with its yield. */
  venueCollateral(assetCode: string, owner: Hex): Promise<bigint>;
  /** Amount of each borrow on behalf of `owner` since the chain began. */
  borrows(assetCode: string, owner: Hex): Promise<readonly bigint[]>;
  /** Amount of each repayment of what `owner` owes, whoever paid it, since the chain began. */
  repayments(assetCode: string, owner: Hex): Promise<readonly bigint[]>;
}

export function chainAuditor(deployment: SandboxDeployment): ChainAuditor {
  const client = createPublicClient({ transport: http(deployment.rpcUrl) });
  const token = (assetCode: string): Hex => required(deployment.tokens[assetCode], `token ${assetCode}`).address;
  const reserve = async (assetCode: string): Promise<readonly [Hex, Hex, Hex]> =>
    client.readContract({
      address: deployment.aave.poolDataProvider,
      abi: dataProviderAbi,
      functionName: 'getReserveTokensAddresses',
      args: [token(assetCode)],
    });
  const balance = (address: Hex, owner: Hex, blockNumber?: bigint): Promise<bigint> =>
    client.readContract({
      address,
      abi: balanceAbi,
      functionName: 'balanceOf',
      args: [owner],
      ...(blockNumber === undefined ? {} : { blockNumber }),
    });
  const amounts = async (
    eventName: 'Borrow' | 'Repay',
    args: { readonly reserve: Hex; readonly user?: Hex; readonly onBehalfOf?: Hex },
  ): Promise<readonly bigint[]> => {
    const logs = await client.getContractEvents({
      address: deployment.aave.pool,
      abi: poolEventsAbi,
      eventName,
      args,
      fromBlock: 0n,
      strict: true,
    });
    return logs.map((log) => log.args.amount);
  };
  return {
    venueDebt: async (assetCode, owner, blockNumber) => balance((await reserve(assetCode))[2], owner, blockNumber),
    venueCollateral: async (assetCode, owner) => balance((await reserve(assetCode))[0], owner),
    borrows: async (assetCode, onBehalfOf) => amounts('Borrow', { reserve: token(assetCode), onBehalfOf }),
    repayments: async (assetCode, user) => amounts('Repay', { reserve: token(assetCode), user }),
  };
}
