import type { SpendControls } from '../../cards/rules/spend-controls';
import type { ProgramPolicy } from '../../programs/rules/program-policy';

export const SCOPE_KINDS = ['program', 'account', 'card'] as const;

export type ScopeKind = (typeof SCOPE_KINDS)[number];

/** What a document of rules is for. */
export interface ControlScope {
  readonly kind: ScopeKind;
  readonly id: string;
}

/** The whole policy of a program, or the controls of an account or a card. */
export type ControlDocument = ProgramPolicy | SpendControls;
