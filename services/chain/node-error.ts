import { BaseError, decodeErrorResult, ExecutionRevertedError, type Hex, isHex, parseAbi } from 'viem';

const builtInErrors = parseAbi(['error Error(string reason)', 'error Panic(uint256 code)']);

/** Whether the error came from asking the node (its answer, or none), and not from our own code or database. */
export function isNodeError(error: unknown): boolean {
  return error instanceof BaseError;
}

/** The node's own words, which viem keeps at the bottom of the chain of causes. */
export function nodeMessage(error: unknown): string {
  const messages: string[] = [];
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    messages.push(at instanceof BaseError && at.details ? at.details : at.message);
  }
  return messages.at(-1) ?? String(error);
}

function revertData(error: unknown): Hex | null {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    const data: unknown = 'data' in at ? at.data : undefined;
    if (isHex(data)) return data;
  }
  return null;
}

function decodeRevert(data: Hex): string | null {
  if (data === '0x') return 'without a reason';
  try {
    const decoded = decodeErrorResult({ abi: builtInErrors, data });
    return decoded.errorName === 'Panic' ? `panic 0x${decoded.args[0].toString(16)}` : decoded.args[0];
  } catch {
    // A custom error of a contract whose ABI we don't carry: its selector still tells which.
    return `custom error ${data.slice(0, 10)}`;
  }
}

/**
 * Why the call would revert (`36`, `panic 0x11`, `custom error 0x…`), or null when the error says nothing about a revert: a node
 * that can't be reached has not judged the call.
 */
export function revertReason(error: unknown): string | null {
  const reverted =
    error instanceof BaseError ? error.walk((cause) => cause instanceof ExecutionRevertedError) !== null : false;
  const message = nodeMessage(error);
  if (!reverted && !/execution reverted|revert(ed)?\b/i.test(message)) return null;
  const data = revertData(error);
  return (data && decodeRevert(data)) ?? message;
}
