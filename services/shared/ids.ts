import { err, ok, type Result } from './result';

/** Prefix of each kind of id at the edge: `card_0198…` outside, a plain UUIDv7 inside and in the database. */
export const ID_PREFIX = {
  organization: 'org',
  apiKey: 'key',
  program: 'prog',
  cardholder: 'chld',
  kycCase: 'kyc',
  account: 'acct',
  card: 'card',
  cardProduct: 'cprd',
  authorization: 'auth',
  amendment: 'amnd',
  cardTransaction: 'ctx',
  fundingLeg: 'leg',
  saleOrder: 'sale',
  loanDraw: 'draw',
  repayment: 'rpay',
  deposit: 'dep',
  depositAddress: 'addr',
  collateralOperation: 'coll',
  creditAgreement: 'cagr',
  settlement: 'stl',
  ledgerTransaction: 'ltx',
  transfer: 'xfer',
  event: 'evt',
  taxLot: 'lot',
  taxDisposal: 'disp',
  legPosting: 'part',
  ledgerAccount: 'lacc',
  chainTransaction: 'ctxn',
  controlVersion: 'ctlv',
  backtest: 'btst',
} as const;

export type IdKind = keyof typeof ID_PREFIX;

/** `formatId('card', '0198f3c2-…')` is `card_0198f3c2…` (32 hex digits). */
export function formatId(kind: IdKind, uuid: string): string {
  return `${ID_PREFIX[kind]}_${uuid.replaceAll('-', '')}`;
}

/** The UUID inside a prefixed id, or why it is not one of that kind. */
export function parseId(kind: IdKind, text: string): Result<string, 'malformed_id'> {
  const prefix = `${ID_PREFIX[kind]}_`;
  if (!text.startsWith(prefix)) return err('malformed_id');
  const hex = text.slice(prefix.length);
  if (!/^[0-9a-f]{32}$/.test(hex)) return err('malformed_id');
  return ok(`${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`);
}
