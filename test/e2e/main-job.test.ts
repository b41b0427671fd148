import { attempt, borrowFromNowOn, type Cardholding, GROCER, usd } from '../../embedded/demo/journey';
import * as shapes from '../../embedded/demo/shapes';
import { formatDecimal, parseDecimal } from '../../services/shared/money';
import { openCardAccount } from '../builders/card-account';
import { startTestStack, wholeStackTimeout } from '../setup/whole-stack';

let stack: Awaited<ReturnType<typeof startTestStack>>;
let holding: Cardholding;

beforeAll(async () => {
  stack = await startTestStack();
  holding = await openCardAccount(stack);
  await borrowFromNowOn(holding);
}, wholeStackTimeout);

afterAll(async () => {
  await stack?.end();
});

async function largestQuoted(): Promise<string> {
  const { accountId, cardId, api } = holding;
  const quoted = await api.post(shapes.quote, `/v1/accounts/${accountId}/quote`, {
    amount: usd('1.00'),
    mcc: GROCER.mcc,
    card_id: cardId,
  });
  return quoted.largest_amount.amount;
}

function oneCentMore(amount: string): string {
  const parsed = parseDecimal(amount, 2);
  if (!parsed.ok) throw new Error(`not an amount of USD: ${amount}`);
  return formatDecimal(parsed.value + 1n, 2);
}

test.each([
  ['selling', { mode: 'custom', sources: [{ kind: 'stablecoin', asset: 'USDC' }] }, ['stablecoin_sale']],
  [
    'borrowing up to 30 % of the collateral',
    { mode: 'custom', sources: [{ kind: 'loan', ltv_max_bps: 3_000 }] },
    ['loan_draw'],
  ],
  [
    'more of a loan, after which the sold-out stablecoin gives nothing',
    {
      mode: 'custom',
      sources: [
        { kind: 'loan', ltv_max_bps: 4_000 },
        { kind: 'stablecoin', asset: 'USDC' },
      ],
    },
    ['loan_draw'],
  ],
] as const)(
  'what a quote allows by %s is approved over the network, and one cent more is not',
  async (_name, policy, kinds) => {
    const { api, accountId } = holding;
    await api.put(shapes.withId, `/v1/accounts/${accountId}/funding-policy`, policy);
    const largest = await largestQuoted();
    expect(Number(largest)).toBeGreaterThan(100);

    const above = await attempt(holding, oneCentMore(largest), GROCER);
    expect(above.authorization.state).toBe('declined');
    expect(above.authorization.decline?.reason).toBe('insufficient_funds');
    expect(above.authorization.largest_amount.amount).toBe(largest);

    const exact = await attempt(holding, largest, GROCER);
    expect(exact.authorization.state).toBe('pending');
    expect(exact.authorization.approved.amount).toBe(largest);
    expect(exact.authorization.legs.map(({ kind }) => kind)).toEqual(kinds);
  },
);
