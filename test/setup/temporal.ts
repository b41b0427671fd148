import { randomBytes } from 'node:crypto';
import { sharedTestServers, started } from './test-server-addresses';

/** The shared Temporal server, with a task queue that no other test file uses. */
export function temporalServer(): { readonly address: string; readonly namespace: string; readonly taskQueue: string } {
  const { address } = started(sharedTestServers().temporal, 'temporal');
  return { address, namespace: 'default', taskQueue: `test-${randomBytes(6).toString('hex')}` };
}
