import type { SandboxDeployment } from './deployment-file';
import { openFaucet } from './faucet';

/** A public feed publishes at its heartbeat even when nothing moved; so do the sandbox's. */
export const feedHeartbeatSeconds = 300;
const LOOK_EVERY_MS = 30_000;

/** Publishes the last price of every feed again when it is older than the heartbeat, until the timer is cleared. */
export function keepPricesFresh(deployment: SandboxDeployment): NodeJS.Timeout {
  const faucet = openFaucet(deployment);
  return setInterval(() => {
    // A failed turn is repeated by the next one; meanwhile the platform itself reports the price as aging.
    faucet.refreshPrices(feedHeartbeatSeconds).catch(() => undefined);
  }, LOOK_EVERY_MS);
}
