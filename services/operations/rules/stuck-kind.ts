/** Work that may come to wait for an operator. */
export const STUCK_KINDS = ['sale', 'buy_back', 'sweep', 'settlement'] as const;
export type StuckKind = (typeof STUCK_KINDS)[number];
