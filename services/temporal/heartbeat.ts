import { Context } from '@temporalio/activity';
import type { ActivityExecuteInput, ActivityInboundCallsInterceptor, Next } from '@temporalio/worker';

/** Several of them fit into the `heartbeatTimeout` of workflows/activity-options.ts. */
const HEARTBEAT_EVERY_MS = 2_000;

/**
 * Tells Temporal while a step runs that its worker is alive. A worker that was killed says nothing any more, so its steps
 * go to another one after the heartbeat's timeout instead of after the longest time a step may take.
 */
export function keepHeartbeat(): ActivityInboundCallsInterceptor {
  return {
    async execute(input: ActivityExecuteInput, next: Next<ActivityInboundCallsInterceptor, 'execute'>) {
      const context = Context.current();
      const timer = setInterval(() => context.heartbeat(), HEARTBEAT_EVERY_MS);
      try {
        return await next(input);
      } finally {
        clearInterval(timer);
      }
    },
  };
}
