import type { ProgramPolicy } from '../../programs/rules/program-policy';
import { canonicalJson } from '../../receipts/rules/canonical-json';
import { type AmendedPurchase, snapshotForAmendment } from './amendment';
import type { Decision, SpendRequest } from './decide-authorization';
import { type DecisionInputs, decisionInputsOf, type Receipt, type ReceiptSubject, receiptText } from './receipt';
import type { MarketSnapshot, SpendSnapshot } from './spend-snapshot';

/** What the receipt of more for a known purchase has beside that of a first message: how the purchase stood. */
export interface AmendmentMember {
  /** Cents that the purchase came to before. */
  readonly approved: string;
  /** When the purchase was put on record. */
  readonly begun: string;
  /** It had ended, and is decided like a purchase of its own. */
  readonly ended?: true;
  readonly id: string;
  /** The hold of its status check covered it: nothing was held, whatever the outcome's legs say. */
  readonly narrowed?: true;
}

/** The message that an amendment answers. */
export interface AmendmentSubject extends ReceiptSubject {
  readonly amendmentId: string;
}

/**
 * The receipt of a decision on more for a known purchase: that of any decision, taken on the account as it stood, with how the
 * purchase stood. `snapshot` is the account's, before {@link snapshotForAmendment}, which is applied again when it is replayed.
 */
export function amendmentReceiptText(
  subject: AmendmentSubject,
  purchase: AmendedPurchase,
  decided: {
    readonly snapshot: SpendSnapshot;
    readonly request: SpendRequest;
    readonly decision: Decision;
    readonly narrowed: boolean;
    readonly now: Date;
    readonly marketHash: string;
  },
): string {
  const { snapshot, request, decision, narrowed, now, marketHash } = decided;
  const amendment: AmendmentMember = {
    approved: purchase.total.toString(),
    begun: purchase.begunAt.toISOString(),
    ...(purchase.open ? {} : { ended: true as const }),
    id: subject.amendmentId,
    ...(narrowed ? { narrowed: true as const } : {}),
  };
  const receipt: object = JSON.parse(receiptText(subject, snapshot, request, decision, now, marketHash));
  return canonicalJson({ ...receipt, amendment });
}

/** What a receipt says of the purchase that it is about more of; null for the receipt of a first message. */
export function amendmentOfReceipt(receipt: Receipt): AmendmentMember | null {
  return (receipt as Receipt & { readonly amendment?: AmendmentMember }).amendment ?? null;
}

/** The inputs of the decision that a receipt tells of, first message or not. See {@link decisionInputsOf}. */
export function inputsOfReceipt(receipt: Receipt, market: MarketSnapshot, policy: ProgramPolicy): DecisionInputs {
  const inputs = decisionInputsOf(receipt, market, policy);
  const amendment = amendmentOfReceipt(receipt);
  if (amendment === null) return inputs;
  const purchase = {
    total: BigInt(amendment.approved),
    begunAt: new Date(amendment.begun),
    open: amendment.ended !== true,
  };
  return { ...inputs, snapshot: snapshotForAmendment(inputs.snapshot, purchase) };
}
