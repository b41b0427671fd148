import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { inheritedEnvironment } from './config';
import { EmbeddedFailure } from './failure';
import { type ManagedProcess, type ProcessExit, startProcess, untilReady } from './processes';

export const sandboxChainId = 31_337;

/** The mnemonic that every development chain uses; its accounts hold only play money. */
export const sandboxMnemonic = 'test test test test test test test test test test test junk';

export interface AnvilOptions {
  readonly port: number;
  /** File that keeps the chain between starts; left out, it is kept in memory. */
  readonly stateFile?: string;
  readonly logFile: string;
  readonly onUnexpectedExit?: (exit: ProcessExit, lastLogLines: string) => void;
}

export interface RunningAnvil {
  readonly rpcUrl: string;
  readonly process: ManagedProcess;
  stop(): Promise<void>;
}

/**
 * Arguments of the chain's program, shared with the container images.
 *
 * A block is mined every second and never because of a transaction. So confirmations progress by themselves, a sent
 * transaction is first pending and then mined as on a public chain, and block times follow the clock: mining a block
 * for each transaction would push them ahead of it by a second each.
 */
export function anvilArguments(options: {
  readonly host: string;
  readonly port: number;
  readonly stateFile?: string;
}): string[] {
  return [
    '--host',
    options.host,
    '--port',
    String(options.port),
    '--chain-id',
    String(sandboxChainId),
    '--mnemonic',
    sandboxMnemonic,
    '--block-time',
    '1',
    '--hardfork',
    'prague',
    '--gas-limit',
    '200000000',
    // Keys 0 to 4 are used by the deployment; more would only print more.
    '--accounts',
    '6',
    '--balance',
    '1000000000',
    '--quiet',
    ...(options.stateFile === undefined ? [] : ['--state', options.stateFile, '--state-interval', '5']),
  ];
}

/** Starts Anvil and waits until it answers. */
export async function startAnvil(options: AnvilOptions): Promise<RunningAnvil> {
  const rpcUrl = `http://127.0.0.1:${options.port}`;
  if (options.stateFile !== undefined) mkdirSync(path.dirname(options.stateFile), { recursive: true });
  const child = startProcess({
    name: 'Anvil',
    command: anvilBinary(),
    args: anvilArguments({
      host: '127.0.0.1',
      port: options.port,
      ...(options.stateFile === undefined ? {} : { stateFile: options.stateFile }),
    }),
    env: inheritedEnvironment(),
    logFile: options.logFile,
    // It writes the state on the way out.
    stopSignal: 'SIGTERM',
    stopTimeoutMs: 20_000,
    ...(options.onUnexpectedExit === undefined ? {} : { onUnexpectedExit: options.onUnexpectedExit }),
  });
  await untilReady(child, async () => (await chainIdOf(rpcUrl)) === sandboxChainId, { timeoutMs: 120_000 });
  return {
    rpcUrl,
    process: child,
    stop: async () => {
      await child.stop();
    },
  };
}

async function chainIdOf(rpcUrl: string): Promise<number> {
  const response = await fetch(rpcUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'eth_chainId',
      params: [],
    }),
    signal: AbortSignal.timeout(2_000),
  });
  return Number(z.object({ result: z.string() }).parse(await response.json()).result);
}

/** The program itself: the package's own starter is a Node process around it that would only stand in the way. */
function anvilBinary(): string {
  const arch = process.arch === 'x64' ? 'amd64' : process.arch;
  const packageName = `@foundry-rs/anvil-${process.platform}-${arch}`;
  try {
    const packageFile = require.resolve(`${packageName}/package.json`);
    const binary = path.join(path.dirname(packageFile), 'bin', 'anvil');
    if (existsSync(binary)) return binary;
  } catch {
    // Falls through to the one explanation below.
  }
  throw new EmbeddedFailure(
    `there is no Anvil binary for ${process.platform} on ${process.arch} (${packageName})`,
    'run `npm ci` again without `--omit=optional`; Linux and macOS on x64 and arm64 are supported',
  );
}
