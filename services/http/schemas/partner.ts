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
