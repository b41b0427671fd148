import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startAnvil } from '../../embedded/anvil';
import { ensureChainDeployment } from '../../embedded/chain/deploy-chain';
import { freePort } from '../../embedded/free-port';
import type { SharedChain } from './anvil';

/** A chain for one test file, fully deployed in about two seconds: for reorganisations and clocks. */
export async function startOwnChain(): Promise<SharedChain & { stop(): Promise<void> }> {
  const folder = mkdtempSync(path.join(tmpdir(), 'escudo-chain-'));
  const anvil = await startAnvil({ port: await freePort(), logFile: path.join(folder, 'anvil.log') });
  const deploymentFile = path.join(folder, 'chain.json');
  const deployment = await ensureChainDeployment(anvil.rpcUrl, deploymentFile);
  return {
    rpcUrl: anvil.rpcUrl,
    deploymentFile,
    deployment,
    stop: async () => {
      await anvil.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
