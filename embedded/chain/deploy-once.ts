/** One-shot process of the container set-up: puts tokens, feeds and Aave on the chain and writes the deployment file. */
import { readChainConfig } from '../config';
import { ensureChainDeployment } from './deploy-chain';

async function main(): Promise<void> {
  const { rpcUrl, deploymentFile } = readChainConfig();
  await ensureChainDeployment(rpcUrl, deploymentFile);
  process.stdout.write(`the chain at ${rpcUrl} is deployed: ${deploymentFile}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
