import type { Knex } from 'knex';
import { type AssetCatalog, moneyJson } from '../../assets/load-asset-catalog';
import { findOwnCardholder } from '../../cardholders/find-cardholder-id';
import type { Address } from '../../chain/port';
import type { KycSandboxOutcome } from '../../providers/kyc/port';
import type { Merchant, SandboxAnswer, SandboxPurchase, VendorOutcome } from '../../providers/processor/port';
import { findAccountAddress, findAuthorizationId, findCardToken, findPurchase } from '../../sandbox/find-references';
import type { Sandbox } from '../../sandbox/sandbox';
import { formatId } from '../../shared/ids';
import { parseDecimal } from '../../shared/money';
import { type Refusal, refusal } from '../../shared/refusal';
import { err, ok, type Result } from '../../shared/result';
import { type AnyRoute, type RequestContext, route } from '../route';
import type { RouteDeps } from '../route-deps';
import { countryInput, dateInput, idInput, idView, optionalId, textInput } from '../schemas/common';
import { moneyInput, moneyView } from '../schemas/money';
import { z } from '../schemas/zod';

export interface SimulateDeps extends RouteDeps {
  readonly knex: Knex;
  readonly sandbox: Sandbox;
}

const merchantInput = z
  .strictObject({
    id: textInput(40),
    name: textInput(80),
    city: textInput(40),
    country: countryInput,
    mcc: z.string().regex(/^\d{4}$/, 'must be a merchant category code of four digits'),
  })
  .partial()
  .openapi('SimulatedMerchant', {
    description:
      'What is left out is a coffee shop in New York, MCC 5812: a restaurant, whose hold has the program’s allowance for tips on top.',
  });

const pumpInput = z.string().regex(/^\d{1,20}$/, 'must be digits, as typed at a pump');

const channelInput = z.enum(['ecommerce', 'contactless', 'chip', 'magstripe', 'manual', 'atm', 'recurring', 'unknown']);

const answerView = z
  .strictObject({
    processor_authorization_id: z.string(),
    authorization_id: idView('authorization').nullable().openapi({ description: 'Ours, when one was recorded.' }),
    outcome: z.enum(['approved', 'declined']),
    approved: moneyView,
    vendor_result: z.string(),
    balance: moneyView.nullable(),
  })
  .openapi('SimulatedAnswer');

const planInput = z.enum(['pay', 'return', 'fail', 'hold']).openapi({
  description:
    '`pay`: pays out. `return`: the bank refuses and the tokens come back. `fail`: the order is given up. `hold`: it waits until /v1/simulate/off-ramp-orders says how it goes on.',
});

const referenceView = z.strictObject({ processor_authorization_id: z.string() }).openapi('SimulatedReference');
const doneView = z.strictObject({ done: z.literal(true) }).openapi('SimulatedEffect');

/** A network's message carries cents as a JSON integer; sums of such amounts are exact too. */
const MOST_CENTS = 10n ** 14n;
const DONE = { done: true } as const;
const NOT_TEST: Refusal = refusal('not_supported', 'only a key of a test organization may simulate');

/** Everything here is played by the vendors' sandboxes and the development chain, and arrives as it would in production. */
export function simulateRoutes(deps: SimulateDeps): AnyRoute[] {
  const { knex, sandbox, assets } = deps;
  const usd = moneyInput(assets, { assets: ['USD'], most: MOST_CENTS });
  const usdOrZero = moneyInput(assets, { assets: ['USD'], most: MOST_CENTS, zeroAllowed: true });
  const tokens = Object.keys(deps.deployment.tokens);
  const purchaseBody = z
    .strictObject({
      card_id: idInput('card'),
      amount: usdOrZero,
      merchant: merchantInput.optional(),
      channel: channelInput.optional(),
      merchant_amount: z
        .strictObject({
          minor_units: z.string().regex(/^\d{1,15}$/, 'must be a whole number of at most 15 digits'),
          currency: z.string().regex(/^[A-Z]{3}$/),
        })
        .optional()
        .openapi({
          description: 'With another currency than the card’s, the amount at the merchant in its smallest unit.',
        }),
      partial_approval_allowed: z.boolean().optional(),
      cash_amount: usd.optional().openapi({ description: 'Part of `amount` that is handed out at the till.' }),
      avs: z.enum(['match', 'postal_code_match', 'address_match', 'mismatch', 'not_provided']).optional(),
      cvc: z.enum(['match', 'mismatch', 'not_provided']).optional(),
      fleet: z
        .strictObject({ driver_id: pumpInput, vehicle_id: pumpInput })
        .partial()
        .optional()
        .openapi({ description: 'What the driver types at the pump; this network carries no odometer.' }),
      single_message: z.boolean().optional().openapi({
        description: 'Asked for and cleared in one message, as cash machines do.',
      }),
    })
    .refine((body) => (body.cash_amount?.amount ?? 0n) <= body.amount.amount, {
      path: ['cash_amount', 'amount'],
      message: 'must not be above the amount of the purchase, which it is a part of',
    });

  const onAuthorization = <Body extends { authorization_id: string }, T>(
    body: Body,
    context: RequestContext,
    act: (processorAuthorizationId: string) => Promise<VendorOutcome<T>>,
  ): Promise<Result<T, Refusal>> =>
    inTest(context, async () => {
      const purchase = await findPurchase(knex, context.organizationId, body.authorization_id);
      return purchase.ok ? fromVendor(await act(purchase.value.processorAuthorizationId)) : purchase;
    });
  const onCard = <Body extends { card_id: string }, T>(
    body: Body,
    context: RequestContext,
    act: (cardToken: string) => Promise<VendorOutcome<T>>,
  ): Promise<Result<T, Refusal>> =>
    inTest(context, async () => {
      const token = await findCardToken(knex, context.organizationId, body.card_id);
      return token.ok ? fromVendor(await act(token.value)) : token;
    });

  const withAuthorizationId = async (
    context: RequestContext,
    result: Result<SandboxAnswer, Refusal>,
  ): Promise<Result<z.input<typeof answerView>, Refusal>> => {
    if (!result.ok) return result;
    const { processorAuthorizationId } = result.value;
    const id = await findAuthorizationId(knex, context.organizationId, processorAuthorizationId);
    return ok(answerOf(assets, result.value, id));
  };

  return [
    simulation({
      name: 'authorizations',
      operationId: 'simulateAuthorization',
      summary: 'A purchase at a merchant',
      body: purchaseBody,
      view: answerView,
      run: async (context, body) =>
        withAuthorizationId(
          context,
          await onCard(body, context, (cardToken) => sandbox.processor.authorize(purchaseOf(cardToken, body))),
        ),
    }),
    simulation({
      name: 'increments',
      operationId: 'simulateIncrement',
      summary: 'The merchant asks for more on an approved purchase',
      body: z.strictObject({ authorization_id: idInput('authorization'), amount: usd }),
      view: answerView,
      run: async (context, body) =>
        withAuthorizationId(
          context,
          await onAuthorization(body, context, (processorAuthorizationId) =>
            sandbox.processor.increment({ processorAuthorizationId, amount: body.amount.amount }),
          ),
        ),
    }),
    simulation({
      name: 'balance-inquiries',
      operationId: 'simulateBalanceInquiry',
      summary: 'A terminal asks for the balance',
      body: z.strictObject({ card_id: idInput('card') }),
      view: answerView,
      run: async (context, body) =>
        withAuthorizationId(
          context,
          await onCard(body, context, (cardToken) => sandbox.processor.balanceInquiry({ cardToken })),
        ),
    }),
    simulation({
      name: 'clearings',
      operationId: 'simulateClearing',
      summary: 'The merchant clears all or part of a purchase, or more than was held',
      body: z.strictObject({
        authorization_id: idInput('authorization'),
        amount: usd.optional().openapi({ description: 'All that is still pending when left out.' }),
        final: z.boolean().optional().openapi({ description: 'With it, what is left of the hold expires at once.' }),
      }),
      view: referenceView,
      run: async (context, body) =>
        referenceOf(
          await onAuthorization(body, context, (processorAuthorizationId) =>
            sandbox.processor.clear({
              processorAuthorizationId,
              ...(body.amount === undefined ? {} : { amount: body.amount.amount }),
              ...(body.final === undefined ? {} : { final: body.final }),
            }),
          ),
        ),
    }),
    simulation({
      name: 'force-posts',
      operationId: 'simulateForcePost',
      summary: 'A clearing that no authorization went before',
      body: purchaseBody,
      view: referenceView,
      run: async (context, body) =>
        referenceOf(
          await onCard(body, context, (cardToken) => sandbox.processor.forcePost(purchaseOf(cardToken, body))),
        ),
    }),
    simulation({
      name: 'offline-purchases',
      operationId: 'simulateOfflinePurchase',
      summary: 'A purchase that the network let through without asking, and tells of afterwards',
      body: purchaseBody,
      view: referenceView,
      run: async (context, body) =>
        referenceOf(
          await onCard(body, context, (cardToken) => sandbox.processor.adviseUnasked(purchaseOf(cardToken, body))),
        ),
    }),
    simulation({
      name: 'refund-authorizations',
      operationId: 'simulateRefundAuthorization',
      summary: 'The merchant asks whether it may give money back; a clearing of it then does',
      body: z.strictObject({ card_id: idInput('card'), amount: usd, merchant: merchantInput.optional() }),
      view: answerView,
      run: async (context, body) =>
        withAuthorizationId(
          context,
          await onCard(body, context, (cardToken) =>
            sandbox.processor.refundAuthorization(purchaseOf(cardToken, body)),
          ),
        ),
    }),
    simulation({
      name: 'reversals',
      operationId: 'simulateReversal',
      summary: 'The merchant gives back all or part of a hold',
      body: z.strictObject({ authorization_id: idInput('authorization'), amount: usd.optional() }),
      view: referenceView,
      run: async (context, body) =>
        referenceOf(
          await onAuthorization(body, context, (processorAuthorizationId) =>
            sandbox.processor.reverse({
              processorAuthorizationId,
              ...(body.amount === undefined ? {} : { amount: body.amount.amount }),
            }),
          ),
        ),
    }),
    simulation({
      name: 'expiries',
      operationId: 'simulateExpiry',
      summary: 'The network lets an authorization expire',
      body: z.strictObject({ authorization_id: idInput('authorization') }),
      view: referenceView,
      run: async (context, body) =>
        referenceOf(
          await onAuthorization(body, context, (processorAuthorizationId) =>
            sandbox.processor.expire({ processorAuthorizationId }),
          ),
        ),
    }),
    simulation({
      name: 'advices',
      operationId: 'simulateAdvice',
      summary: 'The network tells the new total of an authorization without asking',
      body: z.strictObject({ authorization_id: idInput('authorization'), amount: usd }),
      view: referenceView,
      run: async (context, body) =>
        referenceOf(
          await onAuthorization(body, context, (processorAuthorizationId) =>
            sandbox.processor.advice({ processorAuthorizationId, amount: body.amount.amount }),
          ),
        ),
    }),
    simulation({
      name: 'refunds',
      operationId: 'simulateRefund',
      summary: 'A refund, linked to its purchase when that is named',
      body: z.strictObject({
        card_id: idInput('card'),
        amount: usd,
        authorization_id: idInput('authorization').optional(),
        merchant: merchantInput.optional(),
      }),
      view: referenceView,
      run: async (context, body) => referenceOf(await refund(deps, context, body)),
    }),
    simulation({
      name: 'refund-reversals',
      operationId: 'simulateRefundReversal',
      summary: 'The merchant takes a refund back',
      body: z.strictObject({ processor_authorization_id: z.string().min(1).max(120) }),
      view: referenceView,
      run: async (context, body) =>
        referenceOf(
          await inTest(context, async () => {
            const { processor_authorization_id: processorAuthorizationId } = body;
            return fromVendor(await sandbox.processor.refundReversal({ processorAuthorizationId }));
          }),
        ),
    }),
    simulation({
      name: 'settlements',
      operationId: 'simulateSettlement',
      summary: 'The network closes its day and moves its net amount over the settlement bank account',
      body: z.strictObject({ date: dateInput }),
      view: z
        .strictObject({ date: z.string(), net_amount: moneyView, bank_reference: z.string() })
        .openapi('SimulatedSettlement'),
      run: (context, body) =>
        inTest(context, async () => {
          const settled = fromVendor(await sandbox.processor.settle({ date: body.date }));
          if (!settled.ok) return settled;
          const { date, netAmount, bankReference } = settled.value;
          return ok({ date, net_amount: moneyJson(assets, netAmount, 'USD'), bank_reference: bankReference });
        }),
    }),
    simulation({
      name: 'kyc-outcomes',
      operationId: 'simulateKycOutcomes',
      summary: 'What the next checks of a cardholder come to, in order',
      description: 'Without a plan every check is approved.',
      body: z.strictObject({
        cardholder_id: idInput('cardholder'),
        outcomes: z
          .array(
            z.strictObject({
              outcome: z.enum(['approved', 'on_hold', 'resubmission_required', 'rejected']),
              reasons: z.array(z.string().max(60)).max(10).default([]),
              message: z.string().max(300).default(''),
            }),
          )
          .min(1)
          .max(10),
      }),
      view: doneView,
      run: (context, body) =>
        inTest(context, async () => {
          const cardholder = await findOwnCardholder(knex, context.organizationId, body.cardholder_id);
          if (!cardholder.ok) return cardholder;
          const planned = await sandbox.kyc.planOutcomes(cardholder.value, body.outcomes.map(kycOutcomeOf));
          return doneOf(fromVendor(planned));
        }),
    }),
    simulation({
      name: 'off-ramp-plans',
      operationId: 'simulateOffRampPlan',
      summary: 'How the next order at the off-ramp goes',
      body: z.strictObject({ plan: planInput }),
      view: doneView,
      run: (context, body) =>
        inTest(context, async () => doneOf(fromVendor(await sandbox.offRamp.planNextOrder(body.plan)))),
    }),
    simulation({
      name: 'off-ramp-orders',
      operationId: 'simulateOffRampOrder',
      summary: 'Change the way of an order that is not finished',
      body: z.strictObject({
        vendor_order_id: z
          .string()
          .min(1)
          .max(120)
          .openapi({ description: 'As GET /v1/transactions/{transaction_id} shows it with the sale.' }),
        plan: planInput,
      }),
      view: doneView,
      run: (context, body) =>
        inTest(context, async () =>
          doneOf(fromVendor(await sandbox.offRamp.planOrder(body.vendor_order_id, body.plan))),
        ),
    }),
    simulation({
      name: 'deposits',
      operationId: 'simulateDeposit',
      summary: 'Somebody sends tokens to the account’s address, on the real chain',
      body: z.strictObject({ account_id: idInput('account'), amount: moneyInput(assets, { assets: tokens }) }),
      view: z.strictObject({ transaction_hash: z.string(), to_address: z.string() }).openapi('SimulatedDeposit'),
      run: (context, body) =>
        inTest(context, async () => {
          const address = await findAccountAddress(knex, context.organizationId, body.account_id);
          if (!address.ok) return address;
          const { asset, amount } = body.amount;
          const most = await sandbox.chain.faucetBalance(asset);
          if (amount > most) {
            const left = moneyJson(assets, most, asset).amount;
            return err(
              refusal('amount_out_of_range', `the faucet has ${left} ${asset} left: send less`, '/amount/amount'),
            );
          }
          const { transactionHash } = await sandbox.chain.fundToken(asset, address.value as Address, amount);
          return ok({ transaction_hash: transactionHash, to_address: address.value });
        }),
    }),
    simulation({
      name: 'prices',
      operationId: 'simulatePrice',
      summary: 'A feed answers another price, or an old one',
      body: z.strictObject({
        asset: z.enum(tokens),
        price_usd: priceInput,
        age_seconds: z.int().min(0).max(10_000_000).default(0).openapi({ description: 'How old the answer looks.' }),
      }),
      view: doneView,
      run: (context, body) =>
        inTest(context, async () => {
          const observedAt = new Date(deps.clock.now().getTime() - body.age_seconds * 1_000);
          await sandbox.chain.setFeedAnswer(body.asset, body.price_usd, observedAt);
          return ok(DONE);
        }),
    }),
    simulation({
      name: 'blocks',
      operationId: 'simulateBlocks',
      summary: 'The chain goes on by some blocks',
      body: z.strictObject({ count: z.int().min(1).max(1_000) }),
      view: doneView,
      run: (context, body) =>
        inTest(context, async () => {
          await sandbox.chain.mine(body.count);
          return ok(DONE);
        }),
    }),
    simulation({
      name: 'reorgs',
      operationId: 'simulateReorg',
      summary: 'The newest blocks are replaced by empty ones',
      body: z.strictObject({ depth: z.int().min(1).max(64) }),
      view: doneView,
      run: (context, body) =>
        inTest(context, async () => {
          await sandbox.chain.reorg(body.depth);
          return ok(DONE);
        }),
    }),
    simulation({
      name: 'chain-time',
      operationId: 'simulateChainTime',
      summary: 'The chain’s clock moves forward, so that interest accrues',
      body: z.strictObject({ seconds: z.int().min(1).max(100_000_000) }),
      view: doneView,
      run: (context, body) =>
        inTest(context, async () => {
          await sandbox.chain.increaseTime(body.seconds);
          return ok(DONE);
        }),
    }),
  ];
}

const priceInput = z
  .string()
  .transform((text, context): bigint => {
    const parsed = parseDecimal(text, 8);
    if (parsed.ok && parsed.value > 0n) return parsed.value;
    context.addIssue({
      code: 'custom',
      message: 'must be a price above zero in USD with at most 8 decimals',
      params: { problem: 'not_a_price' },
    });
    return z.NEVER;
  })
  .openapi({ type: 'string', example: '2450.00' });

/** A route below `/v1/simulate`. It takes no Idempotency-Key: it plays the outside, which has none either. */
function simulation<Body extends z.ZodType, View extends z.ZodType>(definition: {
  readonly name: string;
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly body: Body;
  readonly view: View;
  readonly run: (context: RequestContext, body: z.output<Body>) => Promise<Result<z.input<View>, Refusal>>;
}): AnyRoute {
  const { name, body, view, run, ...rest } = definition;
  return route({
    ...rest,
    method: 'post',
    path: `/v1/simulate/${name}`,
    tag: 'Sandbox',
    access: { kind: 'organization', scope: 'simulate' },
    body,
    status: 200,
    view,
    handler: { kind: 'act', run: (context, input) => run(context, input.body) },
  });
}

async function inTest<T>(context: RequestContext, act: () => Promise<Result<T, Refusal>>): Promise<Result<T, Refusal>> {
  return context.caller?.mode === 'test' ? act() : err(NOT_TEST);
}

function fromVendor<T>(outcome: VendorOutcome<T>): Result<T, Refusal> {
  switch (outcome.kind) {
    case 'ok':
      return ok(outcome.value);
    case 'rejected':
      return err(refusal('state_conflict', `the vendor's sandbox refused: ${outcome.detail}`));
    case 'unknown':
      return err(refusal('vendor_unavailable', `the vendor's sandbox did not answer: ${outcome.detail}`));
  }
}

function doneOf(result: Result<unknown, Refusal>): Result<typeof DONE, Refusal> {
  return result.ok ? ok(DONE) : result;
}

function referenceOf(
  result: Result<{ readonly processorAuthorizationId: string }, Refusal>,
): Result<z.input<typeof referenceView>, Refusal> {
  return result.ok ? ok({ processor_authorization_id: result.value.processorAuthorizationId }) : result;
}

function answerOf(
  assets: AssetCatalog,
  answer: SandboxAnswer,
  authorizationId: string | null,
): z.input<typeof answerView> {
  return {
    processor_authorization_id: answer.processorAuthorizationId,
    authorization_id: optionalId('authorization', authorizationId),
    outcome: answer.outcome,
    approved: moneyJson(assets, answer.approvedAmount, 'USD'),
    vendor_result: answer.vendorResult,
    balance: answer.balance === null ? null : moneyJson(assets, answer.balance, 'USD'),
  };
}

interface PurchaseBody {
  readonly amount: { readonly amount: bigint };
  readonly merchant?: z.output<typeof merchantInput> | undefined;
  readonly channel?: z.output<typeof channelInput> | undefined;
  readonly merchant_amount?: { readonly minor_units: string; readonly currency: string } | undefined;
  readonly partial_approval_allowed?: boolean | undefined;
  readonly cash_amount?: { readonly amount: bigint } | undefined;
  readonly avs?: SandboxPurchase['avs'] | undefined;
  readonly cvc?: SandboxPurchase['cvc'] | undefined;
  readonly fleet?: { readonly driver_id?: string | undefined; readonly vehicle_id?: string | undefined } | undefined;
  readonly single_message?: boolean | undefined;
}

function purchaseOf(cardToken: string, body: PurchaseBody): SandboxPurchase {
  const { merchant_amount: merchantAmount } = body;
  return {
    cardToken,
    amount: body.amount.amount,
    ...(body.merchant === undefined ? {} : { merchant: merchantOf(body.merchant) }),
    ...(body.channel === undefined ? {} : { channel: body.channel }),
    ...(merchantAmount === undefined
      ? {}
      : { merchantAmount: BigInt(merchantAmount.minor_units), merchantCurrency: merchantAmount.currency }),
    ...(body.partial_approval_allowed === undefined ? {} : { partialApprovalAllowed: body.partial_approval_allowed }),
    ...(body.cash_amount === undefined ? {} : { cashAmount: body.cash_amount.amount }),
    ...(body.avs === undefined ? {} : { avs: body.avs }),
    ...(body.cvc === undefined ? {} : { cvc: body.cvc }),
    ...(body.fleet === undefined
      ? {}
      : { fleet: { driverId: body.fleet.driver_id, vehicleId: body.fleet.vehicle_id } }),
    ...(body.single_message === undefined ? {} : { singleMessage: body.single_message }),
  };
}

/** Leaves out what was not given. */
function merchantOf(merchant: z.output<typeof merchantInput>): Partial<Merchant> {
  return Object.fromEntries(Object.entries(merchant).filter(([, value]) => value !== undefined));
}

function kycOutcomeOf(plan: {
  outcome: KycSandboxOutcome['kind'];
  reasons: string[];
  message: string;
}): KycSandboxOutcome {
  const { outcome: kind, reasons, message } = plan;
  return kind === 'approved' || kind === 'on_hold' ? { kind } : { kind, reasons, message };
}

async function refund(
  { knex, sandbox }: SimulateDeps,
  context: RequestContext,
  body: {
    readonly card_id: string;
    readonly amount: { readonly amount: bigint };
    readonly authorization_id?: string | undefined;
    readonly merchant?: z.output<typeof merchantInput> | undefined;
  },
): Promise<Result<{ readonly processorAuthorizationId: string }, Refusal>> {
  return inTest(context, async () => {
    const { organizationId } = context;
    const token = await findCardToken(knex, organizationId, body.card_id);
    if (!token.ok) return token;
    const merchant = body.merchant === undefined ? {} : { merchant: merchantOf(body.merchant) };
    const amount = body.amount.amount;
    if (body.authorization_id === undefined) {
      return fromVendor(await sandbox.processor.refund({ cardToken: token.value, amount, ...merchant }));
    }
    const purchase = await findPurchase(knex, organizationId, body.authorization_id);
    if (!purchase.ok) return purchase;
    if (purchase.value.cardId !== body.card_id) {
      return err(
        refusal(
          'invalid_parameter',
          `the purchase was made with ${formatId('card', purchase.value.cardId)}`,
          '/card_id',
        ),
      );
    }
    const original = { originalProcessorAuthorizationId: purchase.value.processorAuthorizationId };
    return fromVendor(await sandbox.processor.refund({ cardToken: token.value, amount, ...original, ...merchant }));
  });
}
