import { chainAuditor } from '../../embedded/demo/auditor';
import {
  approvedCardholder,
  type Cardholding,
  openAccount,
  openOrganization,
  payIn,
  pledge,
} from '../../embedded/demo/journey';
import { StepRecorder } from '../../embedded/demo/report';
import * as shapes from '../../embedded/demo/shapes';
import type { Stack } from '../../embedded/stack';

/**
 * An organization of its own with one approved cardholder, an active card, 500 USDC and 1 WETH that is pledged: the
 * demo's first steps, over the public API of a whole stack.
 */
export async function openCardAccount(stack: Stack): Promise<Cardholding> {
  const recorder = new StepRecorder(() => undefined);
  const deployment = stack.deployment();
  const { apiUrl, secrets } = stack;
  const { api } = await openOrganization({ apiUrl, operatorKey: secrets.operatorKey, deployment, recorder });
  const { id: programId } = await api.post(shapes.withId, '/v1/programs', { name: 'Test card' });
  const cardholderId = await approvedCardholder(api, programId, recorder);
  const held = await openAccount(api, { programId, cardholderId }, recorder);
  const holding: Cardholding = { api, auditor: chainAuditor(deployment), recorder, programId, ...held };
  await payIn(holding);
  await pledge(holding);
  return holding;
}
