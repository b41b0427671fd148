import type { AuthorizationReply } from '../providers/processor/port';
import type { DeclineReason } from './rules/decline-reason';

/** The answer that a message got, as `card_messages.answer` keeps it. Amounts as strings of cents. */
export interface StoredAnswer {
  readonly outcome: 'approved' | 'partially_approved' | 'declined' | 'recorded';
  readonly approved_amount: string;
  readonly decline_reason: DeclineReason | null;
  readonly balance: string | null;
  readonly authorization_id: string | null;
  /** Of an event that undoes one request: that request, so that it says nothing of any other. */
  readonly reversed_message_id?: string;
}

/** What a repetition of the message is told. */
export function replyOfStored(answer: StoredAnswer): AuthorizationReply {
  return {
    outcome: answer.outcome === 'recorded' ? 'approved' : answer.outcome,
    approvedAmount: BigInt(answer.approved_amount),
    declineReason: answer.decline_reason,
    balance: answer.balance === null ? null : BigInt(answer.balance),
    authorizationId: answer.authorization_id,
  };
}
