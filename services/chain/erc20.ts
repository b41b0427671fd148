import { encodeFunctionData } from 'viem';
import { erc20Abi } from './abi';
import type { Erc20Calls } from './port';

export const erc20Calls: Erc20Calls = {
  transfer: (token, to, amount) => ({
    to: token,
    data: encodeFunctionData({ abi: erc20Abi, functionName: 'transfer', args: [to, amount] }),
  }),
  approve: (token, spender, amount) => ({
    to: token,
    data: encodeFunctionData({ abi: erc20Abi, functionName: 'approve', args: [spender, amount] }),
  }),
};
