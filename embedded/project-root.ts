import path from 'node:path';

/** The checkout: every command and relative path of the embedded stack starts here. */
export const projectRoot = path.resolve(__dirname, '..');
