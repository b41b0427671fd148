import type { NetworkSettlementSummary, Processor } from '../../../services/providers/processor/port';
import { proveNetwork } from '../../../services/reconciliation/prove-network';
import type { ProgramNetworkLine } from '../../../services/reconciliation/reconciliation.repository';
import { formatDecimal, sumBigint } from '../../../services/shared/money';

const PROGRAM = '0198f3c2-a1b0-7c3d-9e4f-5a6b7c8d9e0f';
const NOW = new Date('2026-11-21T10:00:00Z');
const show = (amount: bigint, asset: string) => `${formatDecimal(amount, 2)} ${asset}`;

interface Day {
  readonly complete: boolean;
  /** Cents by card. */
  readonly cards: Readonly<Record<string, bigint>>;
}

/** A processor whose reports are given by date; a date that is not given has nothing and is open. */
function processorOf(days: Readonly<Record<string, Day>>, asked: string[] = []): Processor {
  const notAsked = () => Promise.reject(new Error('not asked here'));
  return {
    vendor: 'lithic',
    createCard: notAsked,
    findCard: notAsked,
    getCard: notAsked,
    setCardState: notAsked,
    findRequest: notAsked,
    async settlementSummary(date) {
      asked.push(date);
      const { complete, cards } = days[date] ?? { complete: false, cards: {} };
      const netAmount = sumBigint(Object.values(cards));
      const value: NetworkSettlementSummary = {
        date,
        currency: 'USD',
        netAmount,
        clearingsAmount: netAmount,
        refundsAmount: 0n,
        transactionCount: Object.keys(cards).length,
        isComplete: complete,
        updatedAt: NOW,
        bankReference: `settlement ${date}`,
        items: Object.entries(cards).map(([cardToken, amount]) => ({ cardToken, messageIds: [cardToken], amount })),
      };
      return { kind: 'ok', value };
    },
  };
}

/** What the proof says of one program that owes `payable` cents. */
async function proofOf(payable: bigint, processor: Processor, program: Partial<ProgramNetworkLine> = {}) {
  const line = { id: PROGRAM, card_tokens: ['ours'], settled_until: null, first_date: '2026-11-19', ...program };
  const balances = [{ type: 'network.payable', key: PROGRAM, asset: 'USD', net_debit: -payable } as const];
  const [proof] = await proveNetwork(processor, { programs: [line], balances }, NOW, show);
  return proof;
}

const closed = (cards: Day['cards']): Day => ({ complete: true, cards });
const open = (cards: Day['cards']): Day => ({ complete: false, cards });

describe('what a program owes the network', () => {
  it('is what the open date says while nothing was closed', async () => {
    const proof = await proofOf(42_50n, processorOf({ '2026-11-21': open({ ours: 42_50n }) }));
    expect(proof).toMatchObject({ ok: true, expected: '42.50 USD', found: '42.50 USD' });
  });

  it('leaves out other programs’ cards', async () => {
    const days = { '2026-11-21': open({ ours: 10_00n, theirs: 99_00n }) };
    expect(await proofOf(10_00n, processorOf(days))).toMatchObject({ ok: true, found: '10.00 USD' });
    expect(await proofOf(109_00n, processorOf(days))).toMatchObject({ ok: false, found: '10.00 USD' });
  });

  it('holds dates that are closed and not paid, once each', async () => {
    const days = {
      '2026-11-19': closed({ ours: 1_00n }),
      '2026-11-20': closed({ ours: 2_00n }),
      '2026-11-21': open({ ours: 4_00n }),
    };
    expect(await proofOf(7_00n, processorOf(days))).toMatchObject({ ok: true });
    expect(await proofOf(6_00n, processorOf(days), { settled_until: '2026-11-19' })).toMatchObject({ ok: true });
    expect(await proofOf(4_00n, processorOf(days), { settled_until: '2026-11-20' })).toMatchObject({ ok: true });
    expect(await proofOf(5_00n, processorOf(days), { settled_until: '2026-11-20' })).toMatchObject({ ok: false });
  });

  it('does not count an open date of the past twice, whose movements the open date repeats', async () => {
    const days = { '2026-11-20': open({ ours: 3_00n }), '2026-11-21': open({ ours: 3_00n }) };
    expect(await proofOf(3_00n, processorOf(days))).toMatchObject({ ok: true });
  });

  it('goes on with the next date when today was closed', async () => {
    const days = { '2026-11-21': closed({ ours: 42_50n }), '2026-11-22': open({ ours: 8_00n }) };
    expect(await proofOf(50_50n, processorOf(days))).toMatchObject({ ok: true });
    expect(await proofOf(8_00n, processorOf(days), { settled_until: '2026-11-21' })).toMatchObject({ ok: true });
  });

  it('turns below zero after refunds', async () => {
    const proof = await proofOf(-5_00n, processorOf({ '2026-11-21': open({ ours: -5_00n }) }));
    expect(proof).toMatchObject({ ok: true, found: '-5.00 USD' });
  });

  it('of a program without business is zero, and nobody is asked', async () => {
    const asked: string[] = [];
    expect(await proofOf(0n, processorOf({}, asked), { first_date: null })).toMatchObject({ ok: true });
    expect(asked).toEqual([]);
  });

  it('is not proven when the processor does not answer', async () => {
    const silent: Processor = {
      ...processorOf({}),
      settlementSummary: async () => ({ kind: 'unknown', detail: 'timeout' }),
    };
    expect(await proofOf(0n, silent)).toMatchObject({ ok: false, found: 'no answer', detail: ['timeout'] });
  });
});
