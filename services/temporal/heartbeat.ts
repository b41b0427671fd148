import type { Context } from '@temporalio/activity';
import type { ActivityInboundCallsInterceptor } from '@temporalio/worker';

const EVERY_MS = 3_000;

/**
 * Says for every activity that its worker is alive while it runs. When the worker is killed, Temporal gives the step to
 * another after the heartbeat's time-out, which is shorter than a slow vendor may take.
 */
export function createHeartbeat(context: Context): ActivityInboundCallsInterceptor {
  return {
    async execute(input, next) {
      const timer = setInterval(() => context.heartbeat(), EVERY_MS);
      try {
        return await next(input);
      } finally {
        clearInterval(timer);
      }
    },
  };
}
