import { v7 } from 'uuid';

/** A new time-ordered id (UUIDv7), without prefix. */
export function newId(): string {
  return v7();
}
