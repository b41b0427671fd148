import { startTestServers } from './test-servers';

export default async function startForWorkflows(): Promise<void> {
  await startTestServers('postgres', 'anvil', 'temporal');
}
