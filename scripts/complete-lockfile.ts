/**
 * `npx tsx scripts/complete-lockfile.ts [folder]`, after `npm install` changed the lock file.
 *
 * A registry mirror may not carry the packages of other platforms (the Windows build of a linter, say). npm then leaves
 * them out of the lock file, and `npm ci` refuses the file as incomplete. This adds each one with its exact version and
 * the platform that its name states, as npm writes them where it can see them. They stay optional: on another platform
 * they are skipped, on their own they are fetched.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';

const systems = ['android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'aix', 'win32'];
const processors: Readonly<Record<string, string>> = {
  x64: 'x64',
  amd64: 'x64',
  arm64: 'arm64',
  arm: 'arm',
  ia32: 'ia32',
  ppc64: 'ppc64',
  s390x: 's390x',
  riscv64: 'riscv64',
  loong64: 'loong64',
  wasm32: 'wasm32',
};

const lockEntry = z.looseObject({
  dev: z.boolean().optional(),
  optionalDependencies: z.record(z.string(), z.string()).optional(),
});
const lockFile = z.looseObject({ packages: z.record(z.string(), lockEntry) });

const file = path.join(process.argv[2] ?? '.', 'package-lock.json');
const lock = lockFile.parse(JSON.parse(readFileSync(file, 'utf8')));
const present = new Set(Object.keys(lock.packages).map((key) => key.replace(/^.*node_modules\//, '')));
let added = 0;

for (const owner of Object.values(lock.packages)) {
  for (const [name, version] of Object.entries(owner.optionalDependencies ?? {})) {
    if (present.has(name)) continue;
    if (!/^\d+\.\d+\.\d+/.test(version)) throw new Error(`${name} is wanted as ${version}: not an exact version`);
    const words = name.split(/[-/]/);
    const system = words.find((word) => systems.includes(word));
    const processor = words.map((word) => processors[word]).find((word) => word !== undefined);
    if (system === undefined || processor === undefined) throw new Error(`${name} does not name its platform`);
    const musl = words.some((word) => word.startsWith('musl'));
    const glibc = words.some((word) => word.startsWith('gnu'));
    lock.packages[`node_modules/${name}`] = {
      version,
      cpu: [processor],
      ...(owner.dev === true ? { dev: true } : {}),
      ...(musl ? { libc: ['musl'] } : glibc ? { libc: ['glibc'] } : {}),
      optional: true,
      os: [system],
    };
    present.add(name);
    added += 1;
  }
}

const inOrder = Object.keys(lock.packages).sort((left, right) => left.localeCompare(right, 'en'));
lock.packages = Object.fromEntries(inOrder.map((key) => [key, lock.packages[key] ?? {}]));
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
process.stdout.write(`${file}: ${added} package(s) of other platforms added\n`);
