import { startTestServers } from './test-servers';

export default async function startForIntegration(): Promise<void> {
  await startTestServers('postgres', 'anvil');
}
