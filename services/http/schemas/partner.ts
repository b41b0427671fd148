import type { PartnerCause } from '../../partner-decisions/rules/partner-verdict';
import { z } from './zod';

const CAUSES = [
  'answered',
  'timeout',
  'error',
  'invalid_answer',
  'breaker_open',
  'overloaded',
  'not_configured',
] as const satisfies readonly PartnerCause[];

export const partnerCause = z.enum(CAUSES).openapi({
  description: 'Whether you answered, and if not, why the stand-in rules decided.',
});

export const partnerDecisionView = z
  .strictObject({
    decision: z.enum(['approve', 'decline']),
    source: z.enum(['partner', 'stand_in']),
    cause: partnerCause,
    reason: z.string().nullable().openapi({ description: 'The reason you gave.' }),
    request_id: z.string().nullable().openapi({ description: 'Of the question you were sent; null when none was.' }),
    latency_ms: z.int(),
  })
  .openapi('PartnerDecision');
