import { hash } from 'node:crypto';

/** SHA-256 in one call: a third cheaper for short texts than making a hash object. */
export function sha256(data: Uint8Array | string): Buffer {
  return hash('sha256', data, 'buffer');
}

/** SHA-256 of a text's UTF-8 bytes in lower-case hex. */
export function sha256Hex(text: string): string {
  return hash('sha256', text);
}
