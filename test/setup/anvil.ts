import { readDeployment, type SandboxDeployment } from '../../embedded/chain/deployment-file';
import { required } from '../../services/shared/assert';
import { sharedTestServers, started } from './test-server-addresses';

export interface SharedChain {
  readonly rpcUrl: string;
  /** For code that reads the deployment from a file. */
  readonly deploymentFile: string;
  readonly deployment: SandboxDeployment;
}

/**
 * The chain that all test files of this run share, so use addresses of your own and do not turn its clock or reorganise
 * it. A test that must, starts its own by `startOwnChain`.
 */
export function sharedChain(): SharedChain {
  const { rpcUrl, deploymentFile } = started(sharedTestServers().anvil, 'anvil');
  return { rpcUrl, deploymentFile, deployment: required(readDeployment(deploymentFile), 'the deployment') };
}
