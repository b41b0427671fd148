import type { StoredLimitCounters } from '../../cards/rules/limit-counters';
import { WINDOW_KINDS, type WindowKind } from '../../cards/rules/limit-windows';
import type { PendingControls, SpendControls } from '../../cards/rules/spend-controls';
import type { AssetPrice } from '../../credit/rules/price-state';
import type { CreditLine } from '../../credit/rules/spending-power';
import {
  fundingPolicyFromStored,
  fundingPolicyToStored,
  type StoredFundingPolicy,
} from '../../funding/rules/funding-policy';
import type { ConsideredOption, PlannedLeg } from '../../funding/rules/plan-funding';
import type { PartnerVerdict } from '../../partner-decisions/rules/partner-verdict';
import type { ProgramPolicy } from '../../programs/rules/program-policy';
import { canonicalJson } from '../../receipts/rules/canonical-json';
import { CanonicalWriter } from '../../receipts/rules/canonical-writer';
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
 * The receipt is written once for every authorization, so it is put together directly: members in sorted order, each behind
 * or before its comma, and only what comes from outside or from a stored document goes through a serializer.
 */

/** The member `"name":{"ASSET":"amount",…},`; nothing where there is none. */
function writeAmounts(out: CanonicalWriter, name: string, values: Readonly<Record<string, bigint>>): void {
  const assets = Object.keys(values).sort();
  if (assets.length === 0) return;
  out.raw(name);
  let before = '{';
  for (const asset of assets) {
    out
      .raw(before)
      .string(asset)
      .raw(':')
      .amount(values[asset] as bigint);
    before = ',';
  }
  out.raw('},');
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

function writeWindow(out: CanonicalWriter, window: StoredWindow, ofAccount: StoredWindow | undefined): void {
  if (!isTuple(window)) {
    out.json(window);
    return;
  }
  const [start, amount, count, zone] = window;
  const shared = ofAccount !== undefined && isTuple(ofAccount) && ofAccount[0] === start;
  out.raw('[');
  if (!shared) out.integer(start).raw(',');
  out.quoted(amount).raw(',').integer(count);
  if (zone !== undefined) out.raw(',').string(zone);
  out.raw(']');
}

function writeCounters(
  out: CanonicalWriter,
  stored: StoredLimitCounters,
  snapshot: SpendSnapshot,
  ofAccount: StoredLimitCounters | null,
): void {
  out.raw('{');
  for (const key of MEMORY_KEYS) {
    const memory = stored[key];
    if (memory !== undefined) out.raw('"').raw(key).raw('":').json(memory).raw(',');
  }
  out.raw('"windows":');
  let before = '[';
  for (const kind of WINDOW_KINDS) {
    out.raw(before);
    writeWindow(out, stored[kind], ofAccount?.[kind]);
    before = ',';
  }
  out.raw(']');
  const { zone } = stored;
  if (zone !== undefined && zone !== snapshot.timeZone) out.raw(',"zone":').string(zone);
  out.raw('}');
}

/** Documents are read once and kept by the account or card that has them; a decision does not change them. */
const written = new WeakMap<object, Uint8Array>();

function writeKept<T extends object>(out: CanonicalWriter, document: T, storedForm: (document: T) => unknown): void {
  const known = written.get(document);
  if (known !== undefined) {
    out.copy(known);
    return;
  }
  const start = out.position;
  out.json(storedForm(document));
  written.set(document, Uint8Array.from(out.between(start, out.position)));
}

function asItIs<T>(document: T): T {
  return document;
}

function writeControls(out: CanonicalWriter, name: string, controls: SpendControls): void {
  for (const _ in controls) {
    out.raw(name);
    writeKept(out, controls, asItIs);
    out.raw(',');
    return;
  }
}

function writeAccount(out: CanonicalWriter, snapshot: SpendSnapshot): void {
  const { accountCounters, accountPendingControls } = snapshot;
  out.raw('{');
  writeAmounts(out, '"collateral":', snapshot.collateral);
  writeControls(out, '"controls":', snapshot.accountControls);
  if (accountCounters !== null) {
    out.raw('"counters":');
    writeCounters(out, accountCounters, snapshot, null);
    out.raw(',');
  }
  writeAmounts(out, '"funds":', snapshot.funds);
  out.raw('"id":').quoted(snapshot.accountId).raw(',');
  if (snapshot.kycState !== 'approved') out.raw('"kyc":').string(snapshot.kycState).raw(',');
  if (snapshot.overdueAmount !== 0n) out.raw('"overdue":').amount(snapshot.overdueAmount).raw(',');
  if (accountPendingControls !== null) out.raw('"pending_controls":').json(accountPendingControls).raw(',');
  if (snapshot.accountState !== 'active') out.raw('"state":').string(snapshot.accountState).raw(',');
  out.raw('"version":').amount(snapshot.accountVersion).raw(',"zone":').string(snapshot.timeZone).raw('}');
}

function writeCard(out: CanonicalWriter, card: CardSnapshot, snapshot: SpendSnapshot): void {
  out.raw('"card":{');
  writeControls(out, '"controls":', card.controls);
  if (card.counters !== null) {
    out.raw('"counters":');
    writeCounters(out, card.counters, snapshot, snapshot.accountCounters);
    out.raw(',');
  }
  if (card.expiryYear !== null || card.expiryMonth !== null)
    out.raw('"expires":[').json(card.expiryYear).raw(',').json(card.expiryMonth).raw('],');
  out.raw('"id":').quoted(card.id);
  if (card.pendingControls !== null) out.raw(',"pending_controls":').json(card.pendingControls);
  if (card.productState !== null) out.raw(',"product":').quoted(card.productState);
  if (card.state !== 'active') out.raw(',"state":').string(card.state);
  out.raw('},');
}

function writeCredit(out: CanonicalWriter, credit: CreditLine): void {
  const { agreementAccepted, debtShares, loanHold, loanUnconfirmed, delegationLeft, programIndexRay } = credit;
  if (!agreementAccepted && debtShares === 0n && loanHold === 0n && loanUnconfirmed === 0n) return;
  out.raw('"credit":{');
  if (agreementAccepted) out.raw('"agreed":true,');
  out.raw('"delegated":').amount(delegationLeft).raw(',"held":').amount(loanHold).raw(',"index":');
  writeOptionalAmount(out, programIndexRay);
  out.raw(',"liquidity":').amount(credit.availableLiquidity).raw(',"shares":').amount(debtShares);
  out.raw(',"unconfirmed":').amount(loanUnconfirmed).raw('},');
}

function writeProgram(out: CanonicalWriter, snapshot: SpendSnapshot, request: SpendRequest): void {
  const { programUsage } = snapshot;
  out.raw('{');
  if (snapshot.currency !== request.currency) out.raw('"currency":').string(snapshot.currency).raw(',');
  out.raw('"id":').quoted(snapshot.programId);
  if (snapshot.programState !== 'active') out.raw(',"state":').quoted(snapshot.programState);
  if (programUsage !== null) {
    out.raw(',"usage":');
    writeCounters(out, programUsage, snapshot, null);
  }
  out.raw('}');
}

function writeOptionalString(out: CanonicalWriter, value: string | null): CanonicalWriter {
  return value === null ? out.raw('null') : out.string(value);
}

function writeOptionalAmount(out: CanonicalWriter, value: bigint | null): CanonicalWriter {
  return value === null ? out.raw('null') : out.amount(value);
}

function writeRequest(out: CanonicalWriter, request: SpendRequest): void {
  const { fleet, partner } = request;
  out.raw('{"amount":').amount(request.amount).raw(',');
  if (request.avs !== 'not_provided') out.raw('"avs":').quoted(request.avs).raw(',');
  if (request.cashAmount !== 0n) out.raw('"cash":').amount(request.cashAmount).raw(',');
  out.raw('"channel":').string(request.channel).raw(',"country":').string(request.merchantCountry);
  out.raw(',"currency":').string(request.currency).raw(',');
  if (request.cvc !== 'not_provided') out.raw('"cvc":').quoted(request.cvc).raw(',');
  if (request.endedBefore) out.raw('"ended":true,');
  if (fleet !== null) {
    writeOptionalString(out.raw('"fleet":{"driver":'), fleet.driverId);
    writeOptionalString(out.raw(',"fuel":'), fleet.fuelType);
    writeOptionalAmount(out.raw(',"ml":'), fleet.fuelVolumeMl);
    writeOptionalAmount(out.raw(',"odometer":'), fleet.odometer);
    writeOptionalString(out.raw(',"vehicle":'), fleet.vehicleId).raw('},');
  }
  out.raw('"kind":').quoted(request.kind).raw(',"mcc":').string(request.mcc);
  out.raw(',"merchant":').string(request.merchantId);
  if (request.merchantCurrency !== request.currency) out.raw(',"merchant_currency":').string(request.merchantCurrency);
  if (request.partialApprovalAllowed) out.raw(',"partial":true');
  if (partner !== null) out.raw(',"partner":').json(partner);
  out.raw('}');
}

function writeOutcome(out: CanonicalWriter, decision: Decision): void {
  out.raw('{"approved":').amount(decision.approvedAmount).raw(',');
  if (decision.balance !== null) out.raw('"balance":').amount(decision.balance).raw(',');
  if (decision.expiresAt !== null) out.raw('"expires":').quoted(decision.expiresAt.toISOString()).raw(',');
  if (decision.feeAmount !== 0n) out.raw('"fee":').amount(decision.feeAmount).raw(',');
  out.raw('"hold":').amount(decision.holdAmount).raw(',"largest":').amount(decision.largestAmount).raw(',');
  let before = '"legs":[[';
  for (const leg of decision.legs) {
    out.raw(before).quoted(leg.kind).raw(',').string(leg.asset).raw(',').amount(leg.amount);
    out.raw(',').amount(leg.amountUsd).raw(',').amount(leg.priceUsdE8).raw(']');
    before = ',[';
  }
  if (decision.legs.length > 0) out.raw('],');
  before = '"options":[[';
  for (const option of decision.options) {
    out.raw(before).quoted(option.kind).raw(',').string(option.asset).raw(',').amount(option.capacityUsd);
    out.raw(',').amount(option.usedUsd);
    if (option.rejection === null) out.raw(',null]');
    else out.raw(',').quoted(option.rejection).raw(']');
    before = ',[';
  }
  if (decision.options.length > 0) out.raw('],');
  if (decision.reason !== null) out.raw('"reason":').quoted(decision.reason).raw(',');
  if (decision.refusedBy !== null) out.raw('"refused_by":').json(decision.refusedBy).raw(',');
  out.raw('"result":').quoted(decision.outcome).raw('}');
}

/** A decision and what it was taken on. */
export interface ReceiptInput {
  readonly subject: ReceiptSubject;
  readonly snapshot: SpendSnapshot;
  readonly request: SpendRequest;
  readonly decision: Decision;
  readonly now: Date;
  /** Of the market record that the batch has in common. */
  readonly marketHash: string;
}

/**
 * Writes the receipt of a decision: every input that it read and what came of it, canonical JSON (RFC 8785). Only two inputs
 * stand elsewhere, named here: the policy document (by its version, which never changes) and the market of the batch (by
 * its hash). Ids and states are ours and need no escaping.
 */
export function writeReceipt(out: CanonicalWriter, input: ReceiptInput): void {
  const { subject, snapshot, request, decision, now, marketHash } = input;
  const { card } = snapshot;
  out.raw('{"account":');
  writeAccount(out, snapshot);
  out.raw(',"at":').quoted(now.toISOString()).raw(',"authorization":').quoted(subject.authorizationId).raw(',');
  if (card !== null) writeCard(out, card, snapshot);
  writeCredit(out, snapshot.credit);
  out.raw(`"form":${RECEIPT_FORM},"funding":`);
  writeKept(out, snapshot.fundingPolicy, fundingPolicyToStored);
  out.raw(',"market":').quoted(marketHash).raw(',"message":').string(subject.contentHash);
  out.raw(',"organization":').quoted(snapshot.organizationId).raw(',"outcome":');
  writeOutcome(out, decision);
  out.raw(',"policy":').integer(snapshot.policyVersion).raw(',"program":');
  writeProgram(out, snapshot, request);
  out.raw(',"request":');
  writeRequest(out, request);
  out.raw(',"rules":').quoted(RULES_VERSION).raw('}');
}

function textOf(write: (out: CanonicalWriter) => void): string {
  const out = new CanonicalWriter();
  write(out);
  return out.between(0, out.position).toString();
}

/** What came of a decision, canonical JSON: two decisions are the same when these are. */
export function outcomeText(decision: Decision): string {
  return textOf((out) => writeOutcome(out, decision));
}

/** {@link writeReceipt}, as a text. */
export function receiptText(input: ReceiptInput): string {
  return textOf((out) => writeReceipt(out, input));
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
