import type { SourceTaken } from '../../funding/rules/plan-funding';
import type { ProgramPolicy } from '../../programs/rules/program-policy';
import { canonicalJson } from '../../receipts/rules/canonical-json';
import { type AmendedPurchase, isAboutAmount, snapshotForAmendment } from './amendment';
import type { MessageTimes, ToldTotal } from './answer-without-plan';
import type { AuthorizationState } from './authorization-state';
import type { Decision, SpendRequest } from './decide-authorization';
import { type DecisionInputs, decisionInputsOf, type Receipt, type ReceiptSubject, receiptText } from './receipt';
import type { MarketSnapshot, SpendSnapshot } from './spend-snapshot';

/** What the receipt of an answer on a known purchase has beside that of a first message: how the purchase stood. */
export interface AmendmentMember {
  /** Cents that the purchase came to before. */
  readonly approved: string;
  /** When the purchase was put on record. */
  readonly begun: string;
  /** By which it was begun, where that is not the message's own. */
  readonly channel?: string;
  /** It had ended, and is decided like a purchase of its own. */
  readonly ended?: true;
  /** Cash was asked for on top of a purchase that began without any: the fixed part of its fee is held with it. Never said until rules 2026-11-6. */
  readonly fixed_fee?: 'due';
  readonly id: string;
  /** It came too late to be decided: when it was asked, until when its answer was waited for, and when a total was last told. */
  readonly late?: { readonly advised?: string; readonly occurred: string; readonly respond_by: string };
  /** The hold of its status check covered it: nothing was held, whatever the outcome's legs say. */
  readonly narrowed?: true;
  /** The purchase was over, so that more for it was not decided. One that had `ended` may be asked for again where it never came about. */
  readonly over?: true;
  /** What it had of each source: [kind, asset, cents]. Left out where that was nothing, and until rules 2026-11-4. */
  readonly taken?: readonly (readonly [SourceTaken['kind'], string, string])[];
  /** It told a total that was no more than before, which gave back the difference. Cents. */
  readonly total?: {
    readonly approved: string;
    readonly cleared: string;
    readonly given_back: string;
    readonly reversed: string;
    readonly state: AuthorizationState;
    readonly told: string;
  };
}

/** What else an answer on a known purchase rests on. At most one of them. */
export interface AmendmentFacts {
  /** The hold of its status check covered it. */
  readonly narrowed?: boolean;
  /** It came too late to be decided. */
  readonly late?: MessageTimes;
  /** The purchase was over. */
  readonly over?: boolean;
  /** It told a total that was no more than before. */
  readonly total?: ToldTotal & { readonly givenBack: bigint };
}

/** The message that an amendment answers. */
export interface AmendmentSubject extends ReceiptSubject {
  readonly amendmentId: string;
}

/**
 * The receipt of an answer on a known purchase: that of any decision, taken on the account as it stood, with how the purchase
 * stood. `snapshot` is the account's, before {@link snapshotForAmendment}, which is applied again when it is replayed.
 */
export function amendmentReceiptText(
  subject: AmendmentSubject,
  purchase: AmendedPurchase,
  decided: {
    readonly snapshot: SpendSnapshot;
    readonly request: SpendRequest;
    readonly decision: Decision;
    readonly facts: AmendmentFacts;
    readonly now: Date;
    readonly marketHash: string;
  },
): string {
  const { snapshot, request, decision, facts, now, marketHash } = decided;
  const amendment: AmendmentMember = {
    approved: purchase.total.toString(),
    begun: purchase.begunAt.toISOString(),
    ...(purchase.channel === request.channel ? {} : { channel: purchase.channel }),
    ...(purchase.open ? {} : { ended: true as const }),
    ...(purchase.fixedFeeHeld || !purchase.open ? {} : { fixed_fee: 'due' as const }),
    id: subject.amendmentId,
    ...(facts.late === undefined ? {} : { late: lateMember(facts.late) }),
    ...(facts.narrowed === true ? { narrowed: true as const } : {}),
    ...(facts.over === true ? { over: true as const } : {}),
    ...(purchase.taken.length === 0
      ? {}
      : { taken: purchase.taken.map(({ kind, asset, amountUsd }) => [kind, asset, amountUsd.toString()] as const) }),
    ...(facts.total === undefined ? {} : { total: totalMember(facts.total) }),
  };
  const receipt: object = JSON.parse(receiptText({ subject, snapshot, request, decision, now, marketHash }));
  return canonicalJson({ ...receipt, amendment });
}

function lateMember({ occurredAt, respondBy, advisedAt }: MessageTimes): NonNullable<AmendmentMember['late']> {
  return {
    ...(advisedAt === null ? {} : { advised: advisedAt.toISOString() }),
    occurred: occurredAt.toISOString(),
    respond_by: respondBy.toISOString(),
  };
}

function totalMember(total: NonNullable<AmendmentFacts['total']>): NonNullable<AmendmentMember['total']> {
  const { standing, told, givenBack } = total;
  return {
    approved: standing.approved.toString(),
    cleared: standing.cleared.toString(),
    given_back: givenBack.toString(),
    reversed: standing.reversed.toString(),
    state: standing.state,
    told: told.toString(),
  };
}

/** What a receipt says of the purchase that it is about; null for the receipt of a first message. */
export function amendmentOfReceipt(receipt: Receipt): AmendmentMember | null {
  return (receipt as Receipt & { readonly amendment?: AmendmentMember }).amendment ?? null;
}

/** When the message of a receipt was asked that came too late; null for any other. */
export function timesOfReceipt({ late }: AmendmentMember): MessageTimes | null {
  return late === undefined
    ? null
    : {
        occurredAt: new Date(late.occurred),
        respondBy: new Date(late.respond_by),
        advisedAt: late.advised === undefined ? null : new Date(late.advised),
      };
}

/** The total that the message of a receipt told, where it was no more than before; null for any other. */
export function totalOfReceipt({ total }: AmendmentMember): ToldTotal | null {
  if (total === undefined) return null;
  const { state, approved, cleared, reversed } = total;
  const standing = { state, approved: BigInt(approved), cleared: BigInt(cleared), reversed: BigInt(reversed) };
  return { standing, told: BigInt(total.told) };
}

/** The inputs of the decision that a receipt tells of, first message or not. See {@link decisionInputsOf}. */
export function inputsOfReceipt(receipt: Receipt, market: MarketSnapshot, policy: ProgramPolicy): DecisionInputs {
  const inputs = decisionInputsOf(receipt, market, policy);
  const amendment = amendmentOfReceipt(receipt);
  // What is not about its amount was decided on the account as it stood, whatever the purchase has of it.
  if (amendment === null || !isAboutAmount(receipt.request.kind)) return inputs;
  const purchase = {
    total: BigInt(amendment.approved),
    begunAt: new Date(amendment.begun),
    open: amendment.ended !== true,
    fixedFeeHeld: amendment.fixed_fee === undefined,
    channel: amendment.channel ?? receipt.request.channel,
    taken: (amendment.taken ?? []).map(([kind, asset, cents]) => ({ kind, asset, amountUsd: BigInt(cents) })),
  };
  return { ...inputs, snapshot: snapshotForAmendment(inputs.snapshot, purchase) };
}
