/** `checkout`: TypeScript by tsx, for development and tests. `image`: compiled JavaScript. */
export type Flavour = 'checkout' | 'image';

/** The command that runs a process entry, named by its path without extension from the project's root. */
export function entryCommand(entry: string, flavour: Flavour): [string, ...string[]] {
  return flavour === 'checkout' ? [process.execPath, '--import', 'tsx', `${entry}.ts`] : ['node', `dist/${entry}.js`];
}
