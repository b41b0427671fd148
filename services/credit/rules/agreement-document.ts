/** Version of the text below; a change of its meaning is a new version. */
export const CREDIT_TERMS_VERSION = '2026-11';

export interface AgreementTerms {
  readonly borrowAsset: string;
  /** Yearly rates in basis points as they stand now. */
  readonly venueRateBps: number;
  readonly spreadBps: number;
  readonly collateral: Readonly<
    Record<string, { readonly ltv_bps: number; readonly liquidation_threshold_bps: number }>
  >;
}

function percent(basisPoints: number): string {
  return `${Math.trunc(basisPoints / 100)}.${String(basisPoints % 100).padStart(2, '0')} %`;
}

/** The credit agreement as the cardholder is shown it. Equal terms give equal bytes, so that its hash names what was accepted. */
export function agreementDocument(terms: AgreementTerms): string {
  const assets = Object.entries(terms.collateral)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(
      ([asset, limits]) =>
        `- ${asset}: up to ${percent(limits.ltv_bps)} of its value can be borrowed; from ${percent(limits.liquidation_threshold_bps)} on it can be sold.`,
    );
  return [
    `Credit agreement, version ${CREDIT_TERMS_VERSION}`,
    '',
    `Purchases can be paid by a loan in ${terms.borrowAsset} against collateral that you pledge. Nothing is sold for it.`,
    `Yearly interest now: ${percent(terms.venueRateBps + terms.spreadBps)}, of which ${percent(terms.venueRateBps)} is the lending`,
    `market's variable rate and ${percent(terms.spreadBps)} our fixed part. The variable rate changes with the market.`,
    'Interest runs from the day a purchase is cleared and the loan is drawn, and grows the debt until it is repaid.',
    '',
    'Collateral:',
    ...assets,
    '',
    'When the debt nears the limit you are warned, and the least collateral that mends it can be sold.',
    'You may repay at any time, in part or in full, without a fee. You let us draw these loans for you until you end the agreement.',
    '',
  ].join('\n');
}
