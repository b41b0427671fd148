import { randomUUID } from 'node:crypto';
import { Router } from 'express';
import { z } from 'zod';
import type { Faults } from '../shared/faults';
import type { CardNetwork } from './network';
import { fromPublished, publishedPurchase, simulatedPurchase } from './purchase';

const token = z.string().min(1);
const cents = z.int().min(0).max(10_000_000_000);
const positiveCents = z.int().min(1).max(10_000_000_000);

const clearingBody = z.strictObject({ token, amount: positiveCents.optional() });
const voidBody = z.strictObject({
  token,
  amount: cents.optional(),
  type: z.enum(['AUTHORIZATION_REVERSAL', 'AUTHORIZATION_EXPIRY']).default('AUTHORIZATION_REVERSAL'),
});

/** The simulate endpoints of Lithic's sandbox, bodies and answers as published. */
export function publishedSimulateRoutes(network: CardNetwork, faults: Faults): Router {
  const router = Router();
  const handle = <T>(path: string, shape: z.ZodType<T>, act: (body: T) => Promise<string | null>) => {
    router.post(path, faults.onRoute(`POST /v1/simulate${path}`), async (request, response) => {
      const opened = await act(shape.parse(request.body));
      response.status(201).json({ debugging_request_id: randomUUID(), ...(opened === null ? {} : { token: opened }) });
    });
  };
  const purchaseOf = (body: z.infer<typeof publishedPurchase>) =>
    fromPublished(body, network.cardByNumber(body.pan).token);

  handle('/authorize', publishedPurchase, async (body) => (await network.authorize(purchaseOf(body))).token);
  handle('/authorization_advice', z.strictObject({ token, amount: cents }), (body) =>
    network.advise(body.token, body.amount),
  );
  handle('/clearing', clearingBody, async (body) => {
    await network.clear(body.token, body.amount ?? null, false);
    return null;
  });
  handle('/void', voidBody, async (body) => {
    // The published examples void all with an amount of 0.
    await network.void(body.token, body.type, body.amount === undefined || body.amount === 0 ? null : body.amount);
    return null;
  });
  handle('/return', publishedPurchase, (body) => network.return(purchaseOf(body), null));
  handle('/return_reversal', z.strictObject({ token }), async (body) => {
    await network.reverseReturn(body.token);
    return null;
  });
  handle('/credit_authorization_advice', publishedPurchase, (body) =>
    network.creditAuthorizationAdvice(purchaseOf(body)),
  );
  return router;
}

/** What Lithic's sandbox cannot simulate, or only with a card number. Not part of any vendor's contract. */
export function simulatedRoutes(network: CardNetwork, faults: Faults): Router {
  const router = Router();
  const handle = <T>(path: string, shape: z.ZodType<T>, act: (body: T) => Promise<unknown>) => {
    router.post(path, faults.onRoute(`POST /sim${path}`), async (request, response) => {
      response.status(201).json(await act(shape.parse(request.body)));
    });
  };
  handle('/authorize', simulatedPurchase, (body) => network.authorize(body));
  handle('/increment', z.strictObject({ token, amount: positiveCents }), (body) =>
    network.increment(body.token, body.amount),
  );
  handle('/clearing', clearingBody.extend({ final: z.boolean().default(false) }), async (body) => ({
    token: await network.clear(body.token, body.amount ?? null, body.final),
  }));
  handle('/advice', simulatedPurchase, async (body) => ({ token: await network.adviseUnasked(body) }));
  handle('/force_post', simulatedPurchase, async (body) => ({ token: await network.forcePost(body) }));
  handle('/return', simulatedPurchase.extend({ original_transaction_token: token.optional() }), async (body) => {
    const { original_transaction_token: original, ...purchase } = body;
    return { token: await network.return(purchase, original ?? null) };
  });
  return router;
}
