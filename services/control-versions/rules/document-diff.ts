/** One value that two documents do not share. `pointer` is a JSON pointer into them; null: it is not there. */
export interface DocumentDifference {
  readonly pointer: string;
  readonly from: unknown;
  readonly to: unknown;
}

/** Where two JSON documents differ, in the order of their pointers. Lists are compared as a whole. */
export function documentDiff(from: unknown, to: unknown): readonly DocumentDifference[] {
  const found: DocumentDifference[] = [];
  compare('', from, to, found);
  return found.sort((one, other) => (one.pointer < other.pointer ? -1 : 1));
}

function compare(pointer: string, from: unknown, to: unknown, found: DocumentDifference[]): void {
  if (isTable(from) && isTable(to)) {
    for (const name of new Set([...Object.keys(from), ...Object.keys(to)])) {
      const escaped = name.replaceAll('~', '~0').replaceAll('/', '~1');
      compare(`${pointer}/${escaped}`, from[name], to[name], found);
    }
  } else if (stable(from) !== stable(to)) {
    found.push({ pointer, from: from ?? null, to: to ?? null });
  }
}

function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Text that does not depend on the order of members. */
function stable(value: unknown): string | undefined {
  if (Array.isArray(value)) return `[${value.map(stable).join(',')}]`;
  if (!isTable(value)) return JSON.stringify(value);
  return `{${Object.keys(value)
    .sort()
    .map((name) => `${JSON.stringify(name)}:${stable(value[name])}`)
    .join(',')}}`;
}
