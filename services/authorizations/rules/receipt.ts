import type { StoredLimitCounters } from '../../cards/rules/limit-counters';
import { WINDOW_KINDS, type WindowKind } from '../../cards/rules/limit-windows';
import type { PendingControls, SpendControls } from '../../cards/rules/spend-controls';
import type { AssetPrice } from '../../credit/rules/price-state';
import type { CreditLine } from '../../credit/rules/spending-power';
import {
  type FundingPolicy,
  fundingPolicyFromStored,
  fundingPolicyToStored,
  type StoredFundingPolicy,
} from '../../funding/rules/funding-policy';
import type { ConsideredOption, PlannedLeg } from '../../funding/rules/plan-funding';
import type { PartnerVerdict } from '../../partner-decisions/rules/partner-verdict';
import type { ProgramPolicy } from '../../programs/rules/program-policy';
import { canonicalJson, canonicalString } from '../../receipts/rules/canonical-json';
import { type Decision, RULES_VERSION, type SpendRequest } from './decide-authorization';
import type { DeclineReason } from './decline-reason';
import type { CardSnapshot, MarketSnapshot, SpendSnapshot } from './spend-snapshot';

/** Version of the receipt's own form. */
const RECEIPT_FORM = 1;

/** The message that a decision answers: it ties a receipt to one authorization and to the bytes that were received. */
export interface ReceiptSubject {
  readonly authorizationId: string;
  /** SHA-256 of the raw message, hex. */
  readonly contentHash: string;
}

type StoredWindow = StoredLimitCounters[WindowKind];

function isTuple(window: StoredWindow): window is Extract<StoredWindow, readonly unknown[]> {
  return Array.isArray(window);
}

type Amounts = Readonly<Record<string, string>>;

/**
 * Counters as they are stored (cards/rules/limit-counters.ts), their windows in the order of `WINDOW_KINDS`. A card's
 * window leaves its start out where it is that of the account's; a zone that is the account's is left out.
 */
interface ReceiptCounters extends Readonly<Record<string, unknown>> {
  readonly windows: readonly unknown[];
}

/**
 * A receipt as it reads back. Amounts are strings of base units (cents where USD), instants ISO 8601. What stands at its
 * default (none, zero, no; active, approved) is left out, which is why so much is optional.
 */
export interface Receipt {
  readonly form: number;
  readonly rules: string;
  /** Version of the program's policy document. */
  readonly policy: number;
  readonly at: string;
  /** SHA-256 of the batch's market record, hex. */
  readonly market: string;
  readonly authorization: string;
  /** SHA-256 of the raw message, hex. */
  readonly message: string;
  readonly organization: string;
  readonly program: {
    /** Left out when it is that of the request. */
    readonly currency?: string;
    readonly id: string;
    readonly state?: SpendSnapshot['programState'];
    readonly usage?: ReceiptCounters;
  };
  readonly account: {
    readonly collateral?: Amounts;
    readonly controls?: SpendControls;
    readonly counters?: ReceiptCounters;
    readonly funds?: Amounts;
    readonly id: string;
    readonly kyc?: string;
    readonly overdue?: string;
    readonly pending_controls?: PendingControls;
    readonly state?: SpendSnapshot['accountState'];
    readonly version: string;
    readonly zone: string;
  };
  readonly card?: {
    readonly controls?: SpendControls;
    readonly counters?: ReceiptCounters;
    /** [year, month] */
    readonly expires?: readonly [number | null, number | null];
    readonly id: string;
    readonly pending_controls?: PendingControls;
    readonly product?: 'active' | 'disabled';
    readonly state?: string;
  };
  /** Left out where it cannot count: neither an agreement nor a debt. */
  readonly credit?: {
    readonly agreed?: true;
    readonly delegated: string;
    readonly held: string;
    readonly index: string | null;
    readonly liquidity: string;
    readonly shares: string;
    readonly unconfirmed: string;
  };
  readonly funding: StoredFundingPolicy;
  readonly request: {
    readonly amount: string;
    readonly avs?: SpendRequest['avs'];
    readonly cash?: string;
    readonly channel: string;
    readonly country: string;
    readonly currency: string;
    readonly cvc?: SpendRequest['cvc'];
    readonly ended?: true;
    readonly fleet?: {
      readonly driver: string | null;
      readonly fuel: string | null;
      readonly ml: string | null;
      readonly odometer: string | null;
      readonly vehicle: string | null;
    };
    readonly kind: SpendRequest['kind'];
    readonly mcc: string;
    readonly merchant: string;
    /** Left out when it is the request's own currency. */
    readonly merchant_currency?: string;
    readonly partial?: true;
    readonly partner?: PartnerVerdict;
  };
  readonly outcome: ReceiptOutcome;
}

/** Reads a stored receipt; null when it is of the form from before receipts were sealed, or no receipt at all. */
export function readReceipt(text: string): Receipt | null {
  const read = jsonOf(text);
  if (!isObject(read) || read.form !== RECEIPT_FORM) return null;
  const whole = ['account', 'funding', 'outcome', 'program', 'request'].every((part) => isObject(read[part]));
  return whole ? (read as unknown as Receipt) : null;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** What came of it. */
export interface ReceiptOutcome {
  readonly approved: string;
  readonly balance?: string;
  readonly expires?: string;
  /** Part of `hold` that is the program's fee. */
  readonly fee?: string;
  readonly hold: string;
  readonly largest: string;
  /** [kind, asset, base units, cents, price with 8 decimals] */
  readonly legs?: readonly (readonly [PlannedLeg['kind'], string, string, string, string])[];
  /** [kind, asset, capacity in cents, used in cents, why not more] */
  readonly options?: readonly (readonly [
    ConsideredOption['kind'],
    string,
    string,
    string,
    ConsideredOption['rejection'],
  ])[];
  readonly reason?: DeclineReason;
  /** The control that names the reason, where it was one. */
  readonly refused_by?: NonNullable<Decision['refusedBy']>;
  readonly result: Decision['outcome'];
}

/** Prices and decimals that a batch shares, as `receipt_batches.market` keeps them. */
interface MarketRecord {
  readonly decimals: Readonly<Record<string, number>>;
  /** Asset → [price in USD with 8 decimals, feed, round, heartbeat in seconds, disputed, observed at in milliseconds] */
  readonly prices: Readonly<Record<string, readonly [string, string, string, number, boolean, number]>>;
}

/** The market that a batch was decided on, canonical JSON. */
export function marketRecord(market: MarketSnapshot): string {
  const prices: Record<string, MarketRecord['prices'][string]> = {};
  for (const [asset, price] of Object.entries(market.prices)) {
    prices[asset] = [
      price.priceUsdE8.toString(),
      price.feed,
      price.roundId.toString(),
      price.heartbeatSeconds,
      price.disputed,
      price.observedAt.getTime(),
    ];
  }
  return canonicalJson({ decimals: market.decimals, prices });
}

/** The reverse of {@link marketRecord}. */
export function marketOfRecord(text: string): MarketSnapshot {
  const record = JSON.parse(text) as MarketRecord;
  const prices: Record<string, AssetPrice> = {};
  for (const [asset, [price, feed, round, heartbeatSeconds, disputed, observedAt]] of Object.entries(record.prices)) {
    prices[asset] = {
      asset,
      priceUsdE8: BigInt(price),
      feed,
      roundId: BigInt(round),
      heartbeatSeconds,
      disputed,
      observedAt: new Date(observedAt),
    };
  }
  return { prices, decimals: record.decimals };
}

/*
 * The receipt is written once for every authorization, so its text is put together directly: members in sorted order,
 * each behind its comma, and only what comes from outside or from a stored document goes through a serializer.
 */

function amounts(values: Readonly<Record<string, bigint>>): string {
  let text = '';
  for (const asset of Object.keys(values).sort()) {
    text += `${text === '' ? '{' : ','}${canonicalString(asset)}:"${values[asset]}"`;
  }
  return text === '' ? '{}' : `${text}}`;
}

/** What stored counters have besides windows and their zone, sorted. */
const MEMORY_KEYS = Object.keys({
  at: true,
  lock: true,
  odometer: true,
  recent: true,
} satisfies Record<Exclude<keyof StoredLimitCounters, WindowKind | 'zone'>, true>) as readonly (
  | 'at'
  | 'lock'
  | 'odometer'
  | 'recent'
)[];

function windowText(window: StoredWindow, ofAccount: StoredWindow | undefined): string {
  if (!isTuple(window)) return canonicalJson(window);
  const [start, amount, count, zone] = window;
  const shared = ofAccount !== undefined && isTuple(ofAccount) && ofAccount[0] === start;
  return `[${shared ? '' : `${start},`}"${amount}",${count}${zone === undefined ? '' : `,${canonicalString(zone)}`}]`;
}

function counters(stored: StoredLimitCounters, snapshot: SpendSnapshot, ofAccount: StoredLimitCounters | null): string {
  let text = '';
  for (const key of MEMORY_KEYS) if (stored[key] !== undefined) text += `"${key}":${canonicalJson(stored[key])},`;
  let windows = '';
  for (const kind of WINDOW_KINDS)
    windows += `${windows === '' ? '' : ','}${windowText(stored[kind], ofAccount?.[kind])}`;
  const { zone } = stored;
  const zoneText = zone === undefined || zone === snapshot.timeZone ? '' : `,"zone":${canonicalString(zone)}`;
  return `{${text}"windows":[${windows}]${zoneText}}`;
}

function unless(standard: string, name: string, value: string): string {
  return value === standard ? '' : `"${name}":${canonicalString(value)},`;
}

/** Documents are read once and kept by the account or card that has them; a decision does not change them. */
const texts = new WeakMap<object, string>();

function keptText<T extends object>(document: T, textOf: (document: T) => string): string {
  const known = texts.get(document);
  if (known !== undefined) return known;
  const text = textOf(document);
  texts.set(document, text);
  return text;
}

function controls(name: string, value: SpendControls): string {
  for (const _ in value) return `"${name}":${keptText(value, canonicalJson)},`;
  return '';
}

function accountText(snapshot: SpendSnapshot): string {
  const { accountCounters, accountPendingControls } = snapshot;
  const collateral = amounts(snapshot.collateral);
  const funds = amounts(snapshot.funds);
  return (
    '{' +
    (collateral === '{}' ? '' : `"collateral":${collateral},`) +
    controls('controls', snapshot.accountControls) +
    (accountCounters === null ? '' : `"counters":${counters(accountCounters, snapshot, null)},`) +
    (funds === '{}' ? '' : `"funds":${funds},`) +
    `"id":"${snapshot.accountId}",` +
    unless('approved', 'kyc', snapshot.kycState) +
    (snapshot.overdueAmount === 0n ? '' : `"overdue":"${snapshot.overdueAmount}",`) +
    (accountPendingControls === null ? '' : `"pending_controls":${canonicalJson(accountPendingControls)},`) +
    unless('active', 'state', snapshot.accountState) +
    `"version":"${snapshot.accountVersion}","zone":${canonicalString(snapshot.timeZone)}}`
  );
}

function cardText(card: CardSnapshot, snapshot: SpendSnapshot): string {
  return (
    '"card":{' +
    controls('controls', card.controls) +
    (card.counters === null ? '' : `"counters":${counters(card.counters, snapshot, snapshot.accountCounters)},`) +
    (card.expiryYear === null && card.expiryMonth === null
      ? ''
      : `"expires":[${card.expiryYear},${card.expiryMonth}],`) +
    `"id":"${card.id}"` +
    (card.pendingControls === null ? '' : `,"pending_controls":${canonicalJson(card.pendingControls)}`) +
    (card.productState === null ? '' : `,"product":"${card.productState}"`) +
    (card.state === 'active' ? '' : `,"state":${canonicalString(card.state)}`) +
    '},'
  );
}

function creditText(credit: CreditLine): string {
  const { agreementAccepted, debtShares, loanHold, loanUnconfirmed, delegationLeft, programIndexRay } = credit;
  if (!agreementAccepted && debtShares === 0n && loanHold === 0n && loanUnconfirmed === 0n) return '';
  return (
    `"credit":{${agreementAccepted ? '"agreed":true,' : ''}"delegated":"${delegationLeft}","held":"${loanHold}",` +
    `"index":${programIndexRay === null ? 'null' : `"${programIndexRay}"`},"liquidity":"${credit.availableLiquidity}",` +
    `"shares":"${debtShares}","unconfirmed":"${loanUnconfirmed}"},`
  );
}

function programText(snapshot: SpendSnapshot, request: SpendRequest): string {
  const { programUsage } = snapshot;
  return (
    '{' +
    unless(request.currency, 'currency', snapshot.currency) +
    `"id":"${snapshot.programId}"` +
    (snapshot.programState === 'active' ? '' : `,"state":"${snapshot.programState}"`) +
    (programUsage === null ? '' : `,"usage":${counters(programUsage, snapshot, null)}`) +
    '}'
  );
}

function fundingText(policy: FundingPolicy): string {
  return keptText(policy, (value) => canonicalJson(fundingPolicyToStored(value)));
}

function optionalString(value: string | null): string {
  return value === null ? 'null' : canonicalString(value);
}

function optionalAmount(value: bigint | null): string {
  return value === null ? 'null' : `"${value}"`;
}

function requestText(request: SpendRequest): string {
  const { fleet, partner } = request;
  return (
    `{"amount":"${request.amount}",` +
    (request.avs === 'not_provided' ? '' : `"avs":"${request.avs}",`) +
    (request.cashAmount === 0n ? '' : `"cash":"${request.cashAmount}",`) +
    `"channel":${canonicalString(request.channel)},"country":${canonicalString(request.merchantCountry)},` +
    `"currency":${canonicalString(request.currency)},` +
    (request.cvc === 'not_provided' ? '' : `"cvc":"${request.cvc}",`) +
    (request.endedBefore ? '"ended":true,' : '') +
    (fleet === null
      ? ''
      : `"fleet":{"driver":${optionalString(fleet.driverId)},"fuel":${optionalString(fleet.fuelType)},` +
        `"ml":${optionalAmount(fleet.fuelVolumeMl)},"odometer":${optionalAmount(fleet.odometer)},` +
        `"vehicle":${optionalString(fleet.vehicleId)}},`) +
    `"kind":"${request.kind}","mcc":${canonicalString(request.mcc)},"merchant":${canonicalString(request.merchantId)}` +
    (request.merchantCurrency === request.currency
      ? ''
      : `,"merchant_currency":${canonicalString(request.merchantCurrency)}`) +
    (request.partialApprovalAllowed ? ',"partial":true' : '') +
    (partner === null ? '' : `,"partner":${canonicalJson(partner)}`) +
    '}'
  );
}

/** What came of a decision, canonical JSON: two decisions are the same when these are. */
export function outcomeText(decision: Decision): string {
  let legs = '';
  for (const leg of decision.legs) {
    legs += `${legs === '' ? '' : ','}["${leg.kind}",${canonicalString(leg.asset)},"${leg.amount}","${leg.amountUsd}","${leg.priceUsdE8}"]`;
  }
  let options = '';
  for (const option of decision.options) {
    options +=
      `${options === '' ? '' : ','}["${option.kind}",${canonicalString(option.asset)},"${option.capacityUsd}",` +
      `"${option.usedUsd}",${option.rejection === null ? 'null' : `"${option.rejection}"`}]`;
  }
  return (
    `{"approved":"${decision.approvedAmount}",` +
    (decision.balance === null ? '' : `"balance":"${decision.balance}",`) +
    (decision.expiresAt === null ? '' : `"expires":"${decision.expiresAt.toISOString()}",`) +
    (decision.feeAmount === 0n ? '' : `"fee":"${decision.feeAmount}",`) +
    `"hold":"${decision.holdAmount}","largest":"${decision.largestAmount}",` +
    (legs === '' ? '' : `"legs":[${legs}],`) +
    (options === '' ? '' : `"options":[${options}],`) +
    (decision.reason === null ? '' : `"reason":"${decision.reason}",`) +
    (decision.refusedBy === null ? '' : `"refused_by":${canonicalJson(decision.refusedBy)},`) +
    `"result":"${decision.outcome}"}`
  );
}

/**
 * The receipt of a decision: every input that it read and what came of it, canonical JSON (RFC 8785). Only two inputs
 * stand elsewhere, named here: the policy document (by its version, which never changes) and the market of the batch (by
 * its hash). Ids and states are ours and need no escaping.
 */
export function receiptText(
  subject: ReceiptSubject,
  snapshot: SpendSnapshot,
  request: SpendRequest,
  decision: Decision,
  now: Date,
  marketHash: string,
): string {
  const { card } = snapshot;
  return (
    `{"account":${accountText(snapshot)},"at":"${now.toISOString()}",` +
    `"authorization":"${subject.authorizationId}",` +
    (card === null ? '' : cardText(card, snapshot)) +
    creditText(snapshot.credit) +
    `"form":${RECEIPT_FORM},"funding":${fundingText(snapshot.fundingPolicy)},"market":"${marketHash}",` +
    `"message":${canonicalString(subject.contentHash)},"organization":"${snapshot.organizationId}",` +
    `"outcome":${outcomeText(decision)},"policy":${snapshot.policyVersion},` +
    `"program":${programText(snapshot, request)},"request":${requestText(request)},"rules":"${RULES_VERSION}"}`
  );
}

function bigintsOf(values: Amounts | undefined): Record<string, bigint> {
  const result: Record<string, bigint> = {};
  for (const [asset, amount] of Object.entries(values ?? {})) result[asset] = BigInt(amount);
  return result;
}

function countersOf(
  receipt: ReceiptCounters | undefined,
  zone: string,
  ofAccount: ReceiptCounters | undefined,
): StoredLimitCounters | null {
  if (receipt === undefined) return null;
  const { windows, ...memory } = receipt;
  const stored: Record<string, unknown> = { zone, ...memory };
  for (const [index, kind] of WINDOW_KINDS.entries()) {
    const window = windows[index];
    const shared = Array.isArray(window) && typeof window[0] === 'string';
    const start = (ofAccount?.windows[index] as readonly unknown[] | undefined)?.[0];
    stored[kind] = shared ? [start, ...window] : window;
  }
  return stored as unknown as StoredLimitCounters;
}

function bigintOrNull(text: string | null): bigint | null {
  return text === null ? null : BigInt(text);
}

/** What a decision was taken on, for taking it again. */
export interface DecisionInputs {
  readonly snapshot: SpendSnapshot;
  readonly request: SpendRequest;
  readonly now: Date;
}

/**
 * The inputs of the decision that a receipt tells of. `policy` is the document of the version that it names, `market` the
 * record whose hash it names. The cardholder's id is not in a receipt, as no decision reads it: it comes back empty.
 */
export function decisionInputsOf(receipt: Receipt, market: MarketSnapshot, policy: ProgramPolicy): DecisionInputs {
  const { account, card, credit, request, program } = receipt;
  const { fleet } = request;
  return {
    now: new Date(receipt.at),
    snapshot: {
      organizationId: receipt.organization,
      accountId: account.id,
      accountVersion: BigInt(account.version),
      programId: program.id,
      cardholderId: '',
      programState: program.state ?? 'active',
      currency: program.currency ?? request.currency,
      policyVersion: receipt.policy,
      policy,
      kycState: account.kyc ?? 'approved',
      accountState: account.state ?? 'active',
      overdueAmount: BigInt(account.overdue ?? '0'),
      timeZone: account.zone,
      fundingPolicy: fundingPolicyFromStored(receipt.funding),
      funds: bigintsOf(account.funds),
      collateral: bigintsOf(account.collateral),
      credit: {
        agreementAccepted: credit?.agreed ?? false,
        debtShares: BigInt(credit?.shares ?? '0'),
        loanHold: BigInt(credit?.held ?? '0'),
        loanUnconfirmed: BigInt(credit?.unconfirmed ?? '0'),
        delegationLeft: BigInt(credit?.delegated ?? '0'),
        programIndexRay: bigintOrNull(credit?.index ?? null),
        availableLiquidity: BigInt(credit?.liquidity ?? '0'),
      },
      accountControls: account.controls ?? {},
      accountPendingControls: account.pending_controls ?? null,
      accountCounters: countersOf(account.counters, account.zone, undefined),
      programUsage: countersOf(program.usage, account.zone, undefined),
      card: card
        ? {
            id: card.id,
            state: card.state ?? 'active',
            expiryYear: card.expires?.[0] ?? null,
            expiryMonth: card.expires?.[1] ?? null,
            productState: card.product ?? null,
            controls: card.controls ?? {},
            pendingControls: card.pending_controls ?? null,
            counters: countersOf(card.counters, account.zone, account.counters),
          }
        : null,
      prices: market.prices,
      decimals: market.decimals,
    },
    request: {
      kind: request.kind,
      amount: BigInt(request.amount),
      currency: request.currency,
      mcc: request.mcc,
      merchantId: request.merchant,
      merchantCountry: request.country,
      merchantCurrency: request.merchant_currency ?? request.currency,
      channel: request.channel,
      cashAmount: BigInt(request.cash ?? '0'),
      fleet: fleet
        ? {
            driverId: fleet.driver,
            vehicleId: fleet.vehicle,
            odometer: bigintOrNull(fleet.odometer),
            fuelVolumeMl: bigintOrNull(fleet.ml),
            fuelType: fleet.fuel,
          }
        : null,
      partialApprovalAllowed: request.partial ?? false,
      avs: request.avs ?? 'not_provided',
      cvc: request.cvc ?? 'not_provided',
      endedBefore: request.ended ?? false,
      partner: request.partner ?? null,
    },
  };
}
