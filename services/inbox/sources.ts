import type { KycHint, KycIngress } from '../providers/kyc/port';
import type { OffRampHint, OffRampIngress } from '../providers/off-ramp/port';
import type { CardEvent, ProcessorIngress } from '../providers/processor/port';
import type { HintOutcome, InboxResult, InboxSource } from './inbox-source';

export type RecordOutcome = {
  readonly kind:
    | 'recorded'
    | 'already_recorded'
    | 'unknown_card'
    | 'conflict'
    | 'unsupported_currency'
    | 'nothing_approved';
};

/** Card events: each is recorded with its money before the message counts as processed. */
export function createCardEventSource(
  ingress: ProcessorIngress,
  record: (event: CardEvent) => Promise<RecordOutcome>,
): InboxSource {
  return {
    vendor: ingress.vendor,
    topic: 'card_events',
    verify: (raw, headers, now) => ingress.verify(raw, headers, now, 'events'),
    messageId({ raw, headers, receivedAt }) {
      const read = ingress.toEvents(raw, headers, receivedAt);
      // The delivery's own id: the events inside may all have come before, as a vendor repeats a purchase's whole history.
      return read.kind === 'malformed' ? null : read.deliveryId;
    },
    async process({ raw, headers, receivedAt }) {
      const read = ingress.toEvents(raw, headers, receivedAt);
      if (read.kind === 'malformed') return { kind: 'unknown', detail: read.detail };
      const unknown = read.unknown.map(({ detail }) => detail);
      const conflicts: string[] = [];
      for (const event of read.events) {
        const { kind } = await record(event);
        if (kind === 'unknown_card') unknown.push(`${event.kind} ${event.messageId}: no card of ours has its token`);
        if (kind === 'unsupported_currency')
          unknown.push(`${event.kind} ${event.messageId}: no card of ours is billed in ${event.currency}`);
        if (kind === 'conflict') conflicts.push(`${event.kind} ${event.messageId}: its id was used for other content`);
      }
      if (conflicts.length > 0) return { kind: 'conflict', detail: conflicts.join('; ') };
      return unknown.length > 0 ? { kind: 'unknown', detail: unknown.join('; ') } : { kind: 'processed' };
    },
  };
}

export function createKycHintSource(ingress: KycIngress, handle: (hint: KycHint) => Promise<HintOutcome>): InboxSource {
  return hintSource({ topic: 'kyc', ingress, handle });
}

export function createOffRampHintSource(
  ingress: OffRampIngress,
  handle: (hint: OffRampHint) => Promise<HintOutcome>,
): InboxSource {
  return hintSource({ topic: 'off_ramp', ingress, handle });
}

interface HintIngress<Hint> extends Pick<KycIngress, 'vendor' | 'verify'> {
  toHint(
    raw: Buffer,
    headers: Parameters<KycIngress['toHint']>[1],
  ): { readonly kind: 'hint'; readonly hint: Hint } | { readonly kind: 'malformed'; readonly detail: string };
}

function hintSource<Hint extends { readonly messageId: string }>(options: {
  readonly topic: string;
  readonly ingress: HintIngress<Hint>;
  readonly handle: (hint: Hint) => Promise<HintOutcome>;
}): InboxSource {
  const { topic, ingress, handle } = options;
  return {
    vendor: ingress.vendor,
    topic,
    verify: (raw, headers, now) => ingress.verify(raw, headers, now),
    messageId({ raw, headers }) {
      const read = ingress.toHint(raw, headers);
      return read.kind === 'hint' ? read.hint.messageId : null;
    },
    async process({ raw, headers }): Promise<InboxResult> {
      const read = ingress.toHint(raw, headers);
      if (read.kind === 'malformed') return { kind: 'unknown', detail: read.detail };
      const outcome = await handle(read.hint);
      if (outcome.kind === 'handled') return { kind: 'processed' };
      return { kind: 'unknown', detail: `${read.hint.messageId} names nothing of ours` };
    },
  };
}
