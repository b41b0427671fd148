import type { IngressHeaders, SignatureVerdict } from '../providers/processor/port';

/** What became of a stored message. Only a thrown error is tried again. */
export type InboxResult =
  | { readonly kind: 'processed' }
  /** Nothing of ours, or not understood: kept for people to look at, never guessed. */
  | { readonly kind: 'unknown'; readonly detail: string }
  /** Its id was used before with other content: refused. */
  | { readonly kind: 'conflict'; readonly detail: string };

/** What came of a hint that only names something. */
export type HintOutcome = { readonly kind: 'handled' } | { readonly kind: 'unknown_reference' };

export interface WebhookMessage {
  readonly raw: Buffer;
  readonly headers: IngressHeaders;
  readonly receivedAt: Date;
}

/** One kind of signed webhook: how to check, name and act on its messages. */
export interface InboxSource {
  readonly vendor: string;
  readonly topic: string;
  /** Looks at raw bytes only. */
  verify(raw: Buffer, headers: IngressHeaders, now: Date): SignatureVerdict;
  /** The vendor's id of the message, or null when it cannot be read. */
  messageId(message: WebhookMessage): string | null;
  /** Acts on a message. It may come again: it must be idempotent. */
  process(message: WebhookMessage): Promise<InboxResult>;
}
