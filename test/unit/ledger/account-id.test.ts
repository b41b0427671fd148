import { ledgerAccountId } from '../../../services/ledger/account-id';
import { fundsOf, loanOf, walletOf } from '../../../services/ledger/account-refs';

const ORGANIZATION = '0198f3c2-0000-7000-8000-000000000001';
const ACCOUNT = '0198f3c2-0000-7000-8000-000000000002';

test('an account’s id follows from its name and never changes', () => {
  expect(ledgerAccountId(ORGANIZATION, fundsOf(ACCOUNT, 'USDC'))).toBe('757cb269-4ce0-88b7-9444-b12699711d24');
});

test('spelling of an address or id makes no second account', () => {
  const id = ledgerAccountId(ORGANIZATION, walletOf(1, '0xAbCd', 'USDC'));
  expect(ledgerAccountId(ORGANIZATION.toUpperCase(), walletOf(1, '0xaBcD', 'USDC'))).toBe(id);
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test('organization, type, key and asset each make another account', () => {
  const ids = [
    ledgerAccountId(ORGANIZATION, fundsOf(ACCOUNT, 'USDC')),
    ledgerAccountId(ACCOUNT, fundsOf(ACCOUNT, 'USDC')),
    ledgerAccountId(ORGANIZATION, fundsOf(ACCOUNT, 'EURC')),
    ledgerAccountId(ORGANIZATION, fundsOf(ORGANIZATION, 'USDC')),
    ledgerAccountId(ORGANIZATION, loanOf(ACCOUNT, ORGANIZATION, 'USDC')),
  ];
  expect(new Set(ids).size).toBe(ids.length);
});
