import { newId } from '../database/new-id';
import type { Transaction } from '../database/transaction';
import { appendEvent } from '../outbox/append-event';
import type { KeyProvider } from '../providers/keys/port';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { newEndpointSecret, sealFirstSecret } from './endpoint-secret';
import {
  insertEndpoint,
  lockEndpointOfProgram,
  type PartnerEndpointRow,
  updateEndpoint,
} from './partner-endpoint.repository';
import { endpointUrlProblem } from './public-address';

export type { PartnerEndpointRow };

export interface PartnerEndpointDeps {
  readonly keys: KeyProvider;
  /** Development and tests: endpoints may be plain http and on this machine. */
  readonly privateAllowed: boolean;
}

/** An endpoint, and its secret where it has just been made: the only time it is shown. */
export interface ShownEndpoint {
  readonly endpoint: PartnerEndpointRow;
  readonly secret: string | null;
}

/**
 * Makes the endpoint of a program, with a secret of its own, or moves it and turns it on or off. A new URL starts with a closed circuit
 * breaker. Whether the fintech is asked at all is the policy's `partner_decision`.
 */
export async function setPartnerEndpoint(
  trx: Transaction,
  deps: PartnerEndpointDeps,
  input: {
    readonly organizationId: string;
    readonly programId: string;
    readonly url: string;
    readonly state: PartnerEndpointRow['state'];
  },
): Promise<Result<ShownEndpoint, Refusal>> {
  const { organizationId, programId, url, state } = input;
  const problem = endpointUrlProblem(url, deps.privateAllowed);
  if (problem !== null) return err(refusal('invalid_parameter', problem, '/url'));
  const { programExists, endpoint: before } = await lockEndpointOfProgram(trx, organizationId, programId);
  if (!programExists) return err(refusal('not_found', 'there is no program with this id'));

  if (before === undefined) {
    const id = newId();
    const secret = newEndpointSecret();
    const sealed = await sealFirstSecret(deps.keys, { organizationId, endpointId: id }, secret);
    const endpoint = await insertEndpoint(trx, {
      organization_id: organizationId,
      id,
      program_id: programId,
      url,
      state,
      ...sealed,
    });
    await appendEndpointEvent(trx, 'program.partner_endpoint_created', endpoint);
    return ok({ endpoint, secret });
  }
  if (before.url === url && before.state === state) return ok({ endpoint: before, secret: null });
  const moved = before.url !== url;
  const endpoint = await updateEndpoint(trx, organizationId, programId, {
    url,
    state,
    ...(moved
      ? {
          last_asked_at: null,
          last_cause: null,
          last_detail: null,
          last_latency_ms: null,
          breaker_state: 'closed',
          breaker_changed_at: null,
        }
      : {}),
  });
  await appendEndpointEvent(trx, 'program.partner_endpoint_changed', endpoint);
  return ok({ endpoint, secret: null });
}

type EndpointEventType =
  | 'program.partner_endpoint_created'
  | 'program.partner_endpoint_changed'
  | 'program.partner_endpoint_removed'
  | 'program.partner_secret_rotated';

/** Tells of a change to where a fintech is asked: somebody who should not have made it may be found out. */
export async function appendEndpointEvent(
  trx: Transaction,
  type: EndpointEventType,
  endpoint: PartnerEndpointRow,
): Promise<void> {
  await appendEvent(trx, {
    organizationId: endpoint.organization_id,
    type,
    resourceKind: 'program',
    resourceId: endpoint.program_id,
    data: { url: endpoint.url, state: endpoint.state },
  });
}
