import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { LEDGER_ACCOUNT_TYPES, TEMPLATE_NAMES } from '../../../services/ledger/draft';

const root = path.join(__dirname, '../../..');
const files = readdirSync(path.join(root, 'services/ledger/templates')).map((file) => file.replace(/\.ts$/, ''));
const documentation = readFileSync(path.join(root, 'docs/ledger.md'), 'utf8');

/** Each template's section, from its heading to the next. */
function sectionOf(template: string): string {
  const section = documentation.split(/^#{2,3} /m).find((part) => part.startsWith(`${template}\n`));
  return section ?? '';
}

test('every template has a file, and every file is a template', () => {
  expect([...files].sort()).toEqual([...TEMPLATE_NAMES].sort());
});

test.each(files)('docs/ledger.md explains %s with a worked example', (template) => {
  const section = sectionOf(template);
  expect(section).not.toBe('');
  expect(section).toMatch(/^\|.*(→|pending).*\|.*\d.*\|$/m);
});

test('docs/ledger.md lists every type of ledger account', () => {
  for (const type of Object.keys(LEDGER_ACCOUNT_TYPES)) {
    const [group, name] = type.split('.');
    const named =
      documentation.includes(`\`${type}\``) ||
      (documentation.includes(`\`${group}.`) && documentation.includes(`\`.${name}\``));
    expect({ type, named }).toEqual({ type, named: true });
  }
});
