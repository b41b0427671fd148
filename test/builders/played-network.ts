import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { required } from '../../services/shared/assert';
import type { ApiProcess, MessageIds } from './api-process';
import { newMessageIds } from './api-process';
import type { WorldAccount } from './spending-world';

/** One purchase in the network's own books. */
export interface NetworkPurchase {
  readonly ids: MessageIds;
  readonly account: WorldAccount;
  readonly cents: number;
  /** What the network made of it: approved only if an approval was heard. */
  readonly approved: boolean;
  /** Whether any answer was heard, at the first or the second asking. */
  readonly heard: boolean;
  /** What was asked for on top of it. */
  readonly increments: readonly NetworkIncrement[];
}

export type NetworkIncrement = Pick<NetworkPurchase, 'ids' | 'cents' | 'approved' | 'heard'>;

export interface PlayedNetwork {
  /** Answers `GET /v1/transactions/{token}` from its books. */
  readonly url: string;
  readonly purchases: readonly NetworkPurchase[];
  /**
   * Asks for a purchase. As published: once more, at once, where the connection was lost; declined where no answer came.
   * `ask` says whom: a process may have ended in between.
   */
  buy(ask: (attempt: number) => ApiProcess, account: WorldAccount, cents: number): Promise<NetworkPurchase>;
  /** Asks for more on a purchase, in the same way. */
  increase(ask: (attempt: number) => ApiProcess, purchase: NetworkPurchase, cents: number): Promise<NetworkIncrement>;
  close(): Promise<void>;
}

/** A network in the test's own process, which survives whatever is killed and knows what it heard. */
export async function playNetwork(): Promise<PlayedNetwork> {
  const purchases: (NetworkPurchase & { readonly increments: NetworkIncrement[] })[] = [];
  const server: Server = createServer((request, response) => {
    const token = /^\/v1\/transactions\/([^/?]+)$/.exec(request.url ?? '')?.[1];
    const purchase = purchases.find(({ ids }) => ids.token === token);
    const requests = purchase ? [purchase, ...purchase.increments] : [];
    const approved = requests.filter((each) => each.approved);
    const body = purchase
      ? {
          token,
          status: approved.length > 0 ? 'PENDING' : 'DECLINED',
          authorization_amount: approved.reduce((sum, { cents }) => sum + cents, 0),
          events: requests.map((each) => ({
            token: each.ids.eventToken,
            type: 'AUTHORIZATION',
            result: each.approved ? 'APPROVED' : 'UNKNOWN_HOST_TIMEOUT',
          })),
        }
      : { message: 'Transaction not found' };
    response.writeHead(purchase ? 200 : 404, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    purchases,
    async buy(ask, account, cents) {
      const purchase = { account, ...(await request(ask, account, cents, newMessageIds())), increments: [] };
      purchases.push(purchase);
      return purchase;
    },
    async increase(ask, { ids: { token }, account }, cents) {
      const increment = await request(ask, account, cents, { ...newMessageIds(), token });
      required(
        purchases.find(({ ids }) => ids.token === token),
        'the purchase',
      ).increments.push(increment);
      return increment;
    },
    async close() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}

async function request(
  ask: (attempt: number) => ApiProcess,
  account: WorldAccount,
  cents: number,
  ids: MessageIds,
): Promise<NetworkIncrement> {
  let result: string | null = null;
  let heard = false;
  for (let attempt = 0; attempt < 2 && !heard; attempt += 1) {
    const answer = await ask(attempt)
      .authorize(account, cents, ids)
      .catch(() => null);
    heard = answer !== null && answer.status === 200;
    result = answer?.result ?? null;
  }
  return { ids, cents, approved: heard && result === 'APPROVED', heard };
}
