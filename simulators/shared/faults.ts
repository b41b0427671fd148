import { setTimeout as delay } from 'node:timers/promises';
import type { NextFunction, Request, Response } from 'express';
import { z } from 'zod';

/**
 * What a simulator is told to do wrong. `match` is a route such as `POST /v0/transfers` (path parameters written as
 * `:id`), a webhook type such as `webhook:transfer.created`, `webhook:*`, or `*` for every route.
 */
export const faultSchema = z
  .object({
    match: z.string().min(1),
    /** Waits this long before each answer or delivery. */
    slow_ms: z.number().int().min(0).max(120_000).default(0),
    /** A route answers `fail_status` this many times without doing anything; a webhook is not sent this many times. */
    fail_times: z.number().int().min(0).default(0),
    fail_status: z.number().int().min(400).max(599).default(503),
    /** A route does its work this many times and then cuts the connection instead of answering. */
    lose_reply_times: z.number().int().min(0).default(0),
    /** Each webhook is delivered this many times more. */
    repeat: z.number().int().min(0).max(50).default(0),
    /** Webhooks are held until a second one is waiting, then delivered newest first, this many pairs. */
    reorder: z.number().int().min(0).default(0),
    /** This many webhooks are signed with a key that is not ours. */
    bad_signature_times: z.number().int().min(0).default(0),
  })
  .strict();

export type Fault = z.infer<typeof faultSchema>;

const faultsBody = z.union([faultSchema, z.array(faultSchema)]);

export interface Faults {
  /** The first fault whose `match` fits, or null. Counters are taken down by the caller. */
  find(name: string): Fault | null;
  list(): readonly Fault[];
  clear(): void;
  /** Express middleware for vendor routes: name is what `match` is compared with. */
  onRoute(name: string): (request: unknown, response: Response, next: NextFunction) => Promise<void>;
  /** Handlers of `/sim/faults`: POST adds (one or several), DELETE clears, GET lists. */
  handle(request: Request, response: Response): void;
}

/** Fault control shared by the simulators. Faults are kept in memory: a restart is well again. */
export function createFaults(): Faults {
  let active: Fault[] = [];

  const faults: Faults = {
    find(name) {
      const family = name.startsWith('webhook:') ? 'webhook:*' : '*';
      return active.find((fault) => fault.match === name) ?? active.find((fault) => fault.match === family) ?? null;
    },
    list: () => active,
    clear() {
      active = [];
    },
    onRoute(name) {
      return async (_request, response, next) => {
        const fault = faults.find(name);
        if (fault === null) return next();
        if (fault.slow_ms > 0) await delay(fault.slow_ms);
        if (fault.fail_times > 0) {
          fault.fail_times -= 1;
          response.status(fault.fail_status).json({ code: fault.fail_status, message: 'simulated failure' });
          return;
        }
        if (fault.lose_reply_times > 0) {
          fault.lose_reply_times -= 1;
          // The work is done and stored; only the answer never leaves.
          response.json = () => {
            response.destroy();
            return response;
          };
        }
        next();
      };
    },
    handle(request, response) {
      if (request.method === 'DELETE') {
        faults.clear();
      } else if (request.method === 'POST') {
        const parsed = faultsBody.safeParse(request.body);
        if (!parsed.success) {
          response.status(400).json({ error: 'invalid_fault', detail: z.prettifyError(parsed.error) });
          return;
        }
        const added = Array.isArray(parsed.data) ? parsed.data : [parsed.data];
        active = [...active.filter((old) => !added.some((fault) => fault.match === old.match)), ...added];
      }
      response.json({ faults: active });
    },
  };
  return faults;
}
