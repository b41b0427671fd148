import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { loadDeployment } from '../../services/chain/load-deployment';
import type { ChainDeployment } from '../../services/chain/port';
import { required } from '../../services/shared/assert';

/** What was deployed on the development chain, always with the accounts that hold its play money. */
export type SandboxDeployment = ChainDeployment & Required<Pick<ChainDeployment, 'sandbox'>>;

/** The deployment in this file, or `null` when there is none. Throws when the file is not a sandbox's deployment. */
export function readDeployment(file: string): SandboxDeployment | null {
  if (!existsSync(file)) return null;
  const deployment = loadDeployment(file);
  return { ...deployment, sandbox: required(deployment.sandbox, `the sandbox accounts in ${file}`) };
}

/** Writes the file at once: a reader sees the old content or the new. */
export function writeDeployment(file: string, deployment: SandboxDeployment): void {
  mkdirSync(path.dirname(file), { recursive: true });
  const partial = `${file}.partial`;
  writeFileSync(partial, `${JSON.stringify(deployment, null, 2)}\n`);
  renameSync(partial, file);
}
