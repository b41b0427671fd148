/** Rules of CONTRIBUTING.md that no other tool checks. Prints each breach as file:line and why. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(__dirname, '..');
const code = /^(services|workflows|migrations|simulators|embedded|test|bench|scripts|clients)\/.*\.ts$/;

interface LineRule {
  readonly why: string;
  readonly files: RegExp;
  readonly except?: RegExp;
  readonly pattern: RegExp;
}

// Words are put together here so that this file does not break its own rules.
const word = (...parts: string[]): string => parts.join('');

const lineRules: readonly LineRule[] = [
  {
    why: 'nothing is left for later in a comment: do it, or write it into the plan',
    files: code,
    pattern: new RegExp(`\\b(${word('TO', 'DO')}|${word('FIX', 'ME')}|${word('X', 'XX')})\\b`),
  },
  {
    why: 'a test runs or does not exist',
    files: /^test\/.*\.ts$/,
    pattern: /\b(?:describe|test|it)\.(?:skip|only|failing)\b|\bx(?:it|test|describe)\(/,
  },
  {
    why: 'configuration is read in one place: services/config/load-config.ts',
    files: /^(services|workflows|migrations)\/.*\.ts$/,
    except: /^services\/config\/load-config\.ts$/,
    pattern: /\bprocess\.env\b/,
  },
  {
    why: 'a simulator reads its configuration in its own reader',
    files: /^simulators\/.*\.ts$/,
    except: /^simulators\/[^/]+\/(?:main|read-config)\.ts$/,
    pattern: /\bprocess\.env\b/,
  },
  {
    why: 'the embedded stack reads its surroundings in embedded/config.ts',
    files: /^embedded\/.*\.ts$/,
    except: /^embedded\/config\.ts$/,
    pattern: /\bprocess\.env\b/,
  },
  {
    why: 'SQL lives in *.repository.ts and migrations',
    files: /^(services|workflows)\/.*\.ts$/,
    except: /\.repository\.ts$|^services\/database\//,
    pattern:
      /\b(?:SELECT\s.+\sFROM|INSERT\s+INTO|DELETE\s+FROM|UPDATE\s+\w+\s+SET)\b|\b(?:trx|knex|pool|client)\s*\.raw\((?!'SELECT 1'\))/,
  },
  {
    why: 'services log through the logger',
    files: /^(services|workflows)\/.*\.ts$/,
    pattern: /\bconsole\.(?:log|error|warn|info|debug)\(/,
  },
  {
    why: 'a stated fact needs no escape from the types',
    files: /^(services|workflows|simulators)\/.*\.ts$/,
    pattern: /@ts-(?:ignore|nocheck|expect-error)|\bas any\b/,
  },
];

const vagueName = /(?:^|[/.-])(?:service|services|utils?|helpers?|managers?)\.ts$/;
const kebabCase = /^(?:\.?[a-z0-9]+(?:[-.][a-z0-9]+)*|\d{14}_[a-z0-9_]+)\.[a-z]+$/;

const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root })
  .toString()
  .split('\n')
  .filter((file) => file !== '' && existsSync(path.join(root, file)));
const breaches: string[] = [];

for (const file of files) {
  if (!code.test(file)) continue;
  if (vagueName.test(file)) breaches.push(`${file}: the name says nothing about what is in it`);
  if (!kebabCase.test(path.basename(file))) breaches.push(`${file}: file names are kebab-case`);
  const rules = lineRules.filter((rule) => rule.files.test(file) && rule.except?.test(file) !== true);
  readFileSync(path.join(root, file), 'utf8')
    .split('\n')
    .forEach((line, index) => {
      for (const rule of rules) if (rule.pattern.test(line)) breaches.push(`${file}:${index + 1}: ${rule.why}`);
    });
}
if (/"resolved":/.test(readFileSync(path.join(root, 'package-lock.json'), 'utf8'))) {
  breaches.push('package-lock.json: holds addresses of a registry; install with omit-lockfile-registry-resolved');
}

if (breaches.length > 0) process.stderr.write(`${breaches.join('\n')}\n`);
process.stdout.write(`${files.length} files, ${breaches.length} breach(es)\n`);
process.exitCode = breaches.length === 0 ? 0 : 1;
