import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createPartnerConnection } from '../../../services/partner-decisions/partner-client';

let server: Server;
let origin: string;
let asked: string[];
const sockets = new Set<unknown>();

beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(request.url ?? '');
    request.resume();
    request.on('end', () => response.end('{"decision":"approve"}'));
  });
  server.on('connection', (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  origin = `http://localhost:${(server.address() as AddressInfo).port}`;
});

beforeEach(() => {
  asked = [];
  sockets.clear();
});

afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => {
    server.close(resolve);
  });
});

const call = () => ({ url: `${origin}/decisions?v=1`, headers: {}, body: '{}', timeoutMs: 20_000 });

test('a name that stands for a private address is not connected to', async () => {
  const connection = createPartnerConnection(origin, false);
  expect(await connection.post(call())).toEqual({
    kind: 'error',
    detail: 'the name stands for an address of a private network',
  });
  expect(asked).toEqual([]);
  expect(sockets.size).toBe(0);
  await connection.close();
});

test('in development it is, and sockets are kept for the next question', async () => {
  const connection = createPartnerConnection(origin, true);
  for (let time = 0; time < 10; time += 1) {
    expect(await connection.post(call())).toEqual({ kind: 'answer', status: 200, text: '{"decision":"approve"}' });
  }
  expect(asked).toEqual(Array.from({ length: 10 }, () => '/decisions?v=1'));
  expect(sockets.size).toBeLessThan(10);
  await connection.close();
});
