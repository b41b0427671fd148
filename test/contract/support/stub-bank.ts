import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface StubBank {
  readonly baseUrl: string;
  /** Bodies of the orders received, repeated ones included. */
  readonly orders: Record<string, unknown>[];
  /** HTTP status of the next answers. */
  status: number;
  close(): Promise<void>;
}

/** Takes the network's settlement orders. */
export async function startStubBank(): Promise<StubBank> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method, url } = request;
      bank.orders.push({ method, url, ...JSON.parse(Buffer.concat(chunks).toString()) });
      response.writeHead(bank.status, { 'content-type': 'application/json' }).end('{}');
    });
  });
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
  const bank: StubBank = {
    baseUrl: `http://127.0.0.1:${port}/bank`,
    orders: [],
    status: 201,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return bank;
}
