/** Process of the container set-up that publishes prices at the feeds' heartbeat; the embedded stack does it by itself. */
import { required } from '../../services/shared/assert';
import { readChainConfig } from '../config';
import { readDeployment } from './deployment-file';
import { keepPricesFresh } from './feed-heartbeat';

const { deploymentFile } = readChainConfig();
const timer = keepPricesFresh(required(readDeployment(deploymentFile), `the deployment ${deploymentFile}`));
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => clearInterval(timer));
