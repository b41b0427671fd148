import { setFlagsFromString } from 'node:v8';

/** Of the memory that is free until V8's limit after a collection, percent: where it begins the next one, and where it must. */
const BEGIN_AT = 80;
const MUST_BEGIN_AT = 95;

/**
 * Has V8 look through all memory no earlier than its limit asks for. Left alone it begins as soon as young memory would not fit below
 * the limit any more: with 64 MB for short-lived garbage and 30 MB that stay, that is always, four times a second, with
 * four threads beside the one that answers (docs/decisions/0006). The limit itself stays V8's. For processes that decide on purchases;
 * call it first.
 */
export function collectAllMemoryLate(): void {
  setFlagsFromString(`--incremental-marking-soft-trigger=${BEGIN_AT}`);
  setFlagsFromString(`--incremental-marking-hard-trigger=${MUST_BEGIN_AT}`);
}
