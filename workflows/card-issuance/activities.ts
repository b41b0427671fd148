import { type AdvanceCardDeps, advanceCard, type CardStep } from '../../services/cards/advance-card';
import type { CardIssuanceInput } from './messages';

export type CardIssuanceDeps = AdvanceCardDeps;

export function createCardIssuanceActivities(deps: CardIssuanceDeps) {
  return {
    /** Does the next thing that is due at the processor and records what it said. */
    advanceCard: (input: CardIssuanceInput, look: number): Promise<CardStep> => advanceCard(deps, input, look),
  };
}

export type CardIssuanceActivities = ReturnType<typeof createCardIssuanceActivities>;
