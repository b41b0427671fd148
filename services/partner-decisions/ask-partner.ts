import type { PartnerDecisionPolicy } from '../programs/rules/program-policy';
import type { AuthorizationRequest } from '../providers/processor/port';
import type { PartnerVerdict } from './rules/partner-verdict';

/** A purchase that our own controls and funds would approve, for the fintech to have its say. Ids are plain UUIDs. */
export interface PartnerQuestion {
  readonly organizationId: string;
  readonly programId: string;
  readonly accountId: string;
  readonly cardholderId: string;
  readonly cardId: string;
  /** Ours, where it is already known. */
  readonly authorizationId: string | null;
  readonly request: AuthorizationRequest;
  /** Cents in the card's currency that we would approve: less than asked for in a partial approval. */
  readonly approvableAmount: bigint;
  /** Cents: the largest amount that we would approve for this merchant and channel. */
  readonly largestAmount: bigint;
  readonly policy: PartnerDecisionPolicy;
  /** The latest instant at which a verdict is still of use. */
  readonly deadline: Date;
}

export interface PartnerDesk {
  /**
   * Asks the fintech, waits no longer than the program's policy and `deadline` allow, and decides by the stand-in rules where no valid
   * answer came. Never rejects. A repetition of the same message while it is waited for shares the one question.
   */
  ask(question: PartnerQuestion): Promise<PartnerVerdict>;
}
