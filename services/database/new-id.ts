import { randomFillSync } from 'node:crypto';
import { v7 } from 'uuid';

/** Random bytes are drawn for a thousand ids at once: one draw an id was a fifteenth of an authorization's processor time. */
const pool = new Uint8Array(16 * 1_000);
let used = pool.length;
let lastMs = 0;
let sequence = 0;

/** A new id (UUIDv7), without prefix; ids of one process are ordered as they were made, also within a millisecond. */
export function newId(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const random = pool.subarray(used, used + 16);
  used += 16;
  const now = Date.now();
  if (now > lastMs) {
    lastMs = now;
    // 31 random bits leave the counter room to grow within the millisecond.
    sequence = new DataView(random.buffer, random.byteOffset).getUint32(6) >>> 1;
  } else {
    sequence += 1;
  }
  return v7({ random, msecs: lastMs, seq: sequence });
}
