import type { ActivityOptions, LocalActivityOptions } from '@temporalio/workflow';

/** A worker that was killed is noticed after this; a living one says so while a step runs (services/temporal/heartbeat.ts). */
const HEARTBEAT_TIMEOUT = '10 seconds';

/**
 * Steps that only read and write rows. Every step is idempotent by its business key, so it is retried until it works:
 * a surprise (a thrown error) must never leave money half way.
 */
export const DATABASE_STEP: ActivityOptions = {
  startToCloseTimeout: '20 seconds',
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  retry: { initialInterval: '200 milliseconds', backoffCoefficient: 2, maximumInterval: '30 seconds' },
};

/** Steps that ask a vendor or the chain and then record what it said. */
export const VENDOR_STEP: ActivityOptions = {
  startToCloseTimeout: '60 seconds',
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  retry: { initialInterval: '500 milliseconds', backoffCoefficient: 2, maximumInterval: '60 seconds' },
};

/**
 * The decision on a purchase, while its network waits: a local activity, because a task of its own would cost as much again
 * as the whole answer. It answers by itself well within this; what it cannot decide is a decline, not a failure.
 */
export const DECISION_STEP: LocalActivityOptions = {
  startToCloseTimeout: '10 seconds',
  retry: { initialInterval: '100 milliseconds', maximumAttempts: 3 },
};
