import { randomBytes, randomUUID } from 'node:crypto';
import { Router } from 'express';
import { z } from 'zod';
import type { StateFile } from '../shared/state-file';
import { Refusal } from './network';
import type { NetworkState } from './state';

const ASA = 'AUTH_STREAM_ACCESS';
const responderBody = z.looseObject({ type: z.literal(ASA), url: z.url() });
const responderQuery = z.object({ type: z.literal(ASA) });
const subscriptionBody = z.looseObject({
  url: z.url(),
  description: z.string().default(''),
  event_types: z.array(z.string()).nullish(),
  disabled: z.boolean().default(false),
});
/** The newest key and the one before sign side by side; Lithic lets the old one go after a day. */
const KEYS_KEPT = 2;

/** Where the issuer says which URLs are called, and gets the keys they are signed with. One subscription is kept. */
export function enrolmentRoutes(file: StateFile<NetworkState>): Router {
  const router = Router();

  router.post('/responder_endpoints', async (request, response) => {
    file.value.endpoints.asaUrl = responderBody.parse(request.body).url;
    await file.save();
    response.json({ enrolled: true });
  });
  router.get('/responder_endpoints', (request, response) => {
    responderQuery.parse(request.query);
    const url = file.value.endpoints.asaUrl;
    response.json({ enrolled: url !== null, url });
  });
  router.delete('/responder_endpoints', async (request, response) => {
    responderQuery.parse(request.query);
    file.value.endpoints.asaUrl = null;
    await file.save();
    response.status(204).end();
  });
  router.get('/auth_stream/secret', (_request, response) => {
    response.json({ secret: file.value.secrets.asa[0] });
  });
  router.post('/auth_stream/secret/rotate', async (_request, response) => {
    rotate(file.value.secrets.asa);
    await file.save();
    response.status(202).end();
  });

  router.post('/event_subscriptions', async (request, response) => {
    const body = subscriptionBody.parse(request.body);
    const { endpoints } = file.value;
    endpoints.eventsUrl = body.disabled ? null : body.url;
    endpoints.subscriptionToken = `ep_${randomUUID().replaceAll('-', '')}`;
    await file.save();
    response.json({ ...body, token: endpoints.subscriptionToken });
  });
  router.get('/event_subscriptions', (_request, response) => {
    const { subscriptionToken: token, eventsUrl: url } = file.value.endpoints;
    response.json({
      data: token === null ? [] : [{ token, url, description: '', disabled: url === null }],
      has_more: false,
    });
  });
  router.delete('/event_subscriptions/:token', async (request, response) => {
    requireSubscription(request.params.token);
    file.value.endpoints.eventsUrl = null;
    file.value.endpoints.subscriptionToken = null;
    await file.save();
    response.status(204).end();
  });
  router.get('/event_subscriptions/:token/secret', (request, response) => {
    requireSubscription(request.params.token);
    response.json({ secret: file.value.secrets.events[0] });
  });
  router.post('/event_subscriptions/:token/secret/rotate', async (request, response) => {
    requireSubscription(request.params.token);
    rotate(file.value.secrets.events);
    await file.save();
    response.status(202).end();
  });

  function requireSubscription(token: string | undefined): void {
    if (token === undefined || token !== file.value.endpoints.subscriptionToken)
      throw new Refusal(404, 'Event subscription not found');
  }
  return router;
}

function rotate(secrets: string[]): void {
  secrets.unshift(`whsec_${randomBytes(32).toString('base64')}`);
  secrets.splice(KEYS_KEPT);
}
