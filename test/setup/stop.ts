import { stopTestServers } from './test-servers';

export default async function stop(): Promise<void> {
  await stopTestServers();
}
