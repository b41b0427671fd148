import type { OffRamp, OffRampOrder, OffRampOrderState } from '../providers/off-ramp/port';
import { sumBigint } from '../shared/money';
import { nothingWrong, type Proof, type ShowAmount, sameAmount } from './proof';
import type { NetDebit, SaleLine } from './reconciliation.repository';

const ASKED_AT_ONCE = 8;

/** What the off-ramp may say of a sale in each of our states; it is ahead of us until we have looked. */
const AGREES: Readonly<Record<SaleLine['state'], readonly OffRampOrderState[]>> = {
  requested: ['awaiting_funds', 'funds_received', 'submitted', 'paid_out'],
  submitted: ['awaiting_funds', 'funds_received', 'submitted', 'paid_out', 'returned'],
  paid_out: ['paid_out'],
  returned: ['returned'],
  unknown: [],
};

/** Every order against the off-ramp's own word, and the tokens on their way there against the orders they belong to. */
export async function proveOffRamp(
  offRamp: OffRamp,
  books: { readonly sales: readonly SaleLine[]; readonly balances: readonly NetDebit[] },
  show: ShowAmount,
): Promise<readonly Proof[]> {
  const wrong: string[] = [];
  for (let from = 0; from < books.sales.length; from += ASKED_AT_ONCE) {
    const batch = books.sales.slice(from, from + ASKED_AT_ONCE);
    wrong.push(...(await Promise.all(batch.map((sale) => compare(offRamp, sale, show)))).flat());
  }
  const transit = books.balances.filter(({ type }) => type === 'offramp.transit');
  const sent = books.sales.filter(({ state }) => state === 'submitted' || state === 'unknown');
  const assets = new Set([...transit, ...sent].map(({ asset }) => asset));
  return [
    nothingWrong('off_ramp_orders_agree', wrong, `${books.sales.length} orders`),
    ...[...assets].sort().map((asset) =>
      sameAmount(`off_ramp_transit_equals_orders.${asset}`, show, asset, {
        expected: sumBigint(sent.filter((sale) => sale.asset === asset).map(({ amount }) => amount)),
        found: sumBigint(transit.filter((balance) => balance.asset === asset).map(({ net_debit }) => net_debit)),
      }),
    ),
  ];
}

async function compare(offRamp: OffRamp, sale: SaleLine, show: ShowAmount): Promise<readonly string[]> {
  if (sale.vendor_order_id === null) return sale.state === 'requested' ? [] : [`sale ${sale.id} has no order`];
  const answer = await offRamp.getOrder(sale.vendor_order_id);
  if (answer.kind !== 'ok') {
    return [`sale ${sale.id}: the off-ramp says ${answer.kind === 'unknown' ? answer.detail : answer.code}`];
  }
  return differences(sale, answer.value, show).map((difference) => `sale ${sale.id}: ${difference}`);
}

function differences(sale: SaleLine, order: OffRampOrder, show: ShowAmount): readonly string[] {
  const found: string[] = [];
  if (!AGREES[sale.state].includes(order.state)) found.push(`${sale.state} here, ${order.state} there`);
  if (order.sourceAmount !== sale.amount) {
    found.push(`${show(sale.amount, sale.asset)} here, ${show(order.sourceAmount, sale.asset)} there`);
  }
  if (sale.state !== 'paid_out') return found;
  if (order.grossAmount !== sale.gross_usd) found.push(`gross ${sale.gross_usd} here, ${order.grossAmount} there`);
  if (order.feeAmount !== sale.fee_usd) found.push(`fee ${sale.fee_usd} here, ${order.feeAmount} there`);
  return found;
}
