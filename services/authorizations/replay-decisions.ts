import type { Knex } from 'knex';
import type { ProgramPolicy } from '../programs/rules/program-policy';
import { checkBatch, checkReceipt, type SealedBatch, type SealProblem } from '../receipts/check-seal';
import { findSealedBatches } from '../receipts/find-sealed-batches';
import { canonicalJson } from '../receipts/rules/canonical-json';
import {
  findLegsToReplay,
  findOrganizationIds,
  findPageToReplay,
  findPolicyVersion,
  findToReplay,
  type ReplayedLeg,
  type ReplayedRow,
} from './replay.repository';
import { type Receipt, readReceipt } from './rules/receipt';
import { rowDifferences } from './rules/receipt-of-row';
import { type Difference, replay } from './rules/replay';
import type { ReplaySelection } from './rules/replay-selection';
import { UnknownRulesError } from './rules/rules-by-version';

/**
 * same: the decision taken again is the one stored, and the rows say the same · different: it is not, or they do not ·
 * unknown_rules: this build does not have the rules it names · not_replayed: what it was decided on was not kept. `detail`
 * says why.
 */
export interface ReplayedDecision {
  readonly organizationId: string;
  readonly authorizationId: string;
  readonly answer: 'same' | 'different' | 'unknown_rules' | 'not_replayed';
  readonly detail: string | null;
  readonly differences: readonly Difference[];
  /** unsealed: recorded without a batch, which is no fault of it. */
  readonly seal: 'verified' | 'unsealed' | 'broken';
  readonly problems: readonly SealProblem[];
}

const PAGE = 500;
/** Ids are made when a request is heard, up to this much before it is decided. */
const ID_MARGIN_MS = 5 * 60_000;
const POLICIES_KEPT_MAX = 1_000;

/** The smallest id of that time (UUID version 7 begins with milliseconds), all other digits being `digit`. */
function idAt(milliseconds: number, digit: '0' | 'f'): string {
  const hex = Math.max(0, milliseconds).toString(16).padStart(12, '0').padEnd(32, digit);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/**
 * Takes stored decisions again from their receipts, compares them to the unit, and verifies their seals. Streams page by page.
 * `db` is a role that sees every organization and may only read.
 */
export async function* replayDecisions(db: Knex, selection: ReplaySelection): AsyncGenerator<ReplayedDecision> {
  const policies = createPolicies(db);
  for await (const rows of pagesOf(db, selection)) {
    const legs = new Map<string, ReplayedLeg[]>();
    for (const leg of await findLegsToReplay(db, rows)) {
      legs.set(leg.authorization_id, [...(legs.get(leg.authorization_id) ?? []), leg]);
    }
    const batchIds = [...new Set(rows.flatMap((row) => (row.batch_id === null ? [] : [row.batch_id])))];
    const batches = await findSealedBatches(db, batchIds);
    const checked = new Map([...batches].map(([id, batch]) => [id, checkBatch(batch)]));
    for (const row of rows) {
      const batch = row.batch_id === null ? null : (batches.get(row.batch_id) ?? 'missing');
      const shared = row.batch_id === null ? [] : (checked.get(row.batch_id) ?? []);
      yield await replayOne(policies, row, legs.get(row.id) ?? [], batch, shared);
    }
  }
}

async function* pagesOf(db: Knex, selection: ReplaySelection): AsyncGenerator<readonly ReplayedRow[]> {
  if (selection.kind === 'one') {
    yield await findToReplay(db, selection.authorizationId);
    return;
  }
  const { from, to } = selection;
  const organizations = selection.organizationId === null ? await findOrganizationIds(db) : [selection.organizationId];
  const untilId = idAt(to.getTime(), 'f');
  for (const organizationId of organizations) {
    let afterId = idAt(from.getTime() - ID_MARGIN_MS, '0');
    for (;;) {
      const rows = await findPageToReplay(db, { organizationId, from, to, afterId, untilId, limit: PAGE });
      const last = rows.at(-1);
      if (last === undefined) break;
      yield rows;
      if (rows.length < PAGE) break;
      afterId = last.id;
    }
  }
}

type Policies = (receipt: Receipt, row: ReplayedRow) => Promise<ProgramPolicy | null>;

function createPolicies(db: Knex): Policies {
  const known = new Map<string, ProgramPolicy | null>();
  return async (receipt, row) => {
    const key = { organizationId: row.organization_id, programId: row.program_id, version: receipt.policy };
    const name = `${key.organizationId}:${key.programId}:${key.version}`;
    const kept = known.get(name);
    if (kept !== undefined) return kept;
    if (known.size >= POLICIES_KEPT_MAX) known.clear();
    const policy = await findPolicyVersion(db, key);
    known.set(name, policy);
    return policy;
  };
}

async function replayOne(
  policies: Policies,
  row: ReplayedRow,
  legs: readonly ReplayedLeg[],
  batch: SealedBatch | 'missing' | null,
  batchProblems: readonly SealProblem[],
): Promise<ReplayedDecision> {
  const receipt = readReceipt(row.receipt);
  const sealOf = (problems: readonly SealProblem[]): Pick<ReplayedDecision, 'seal' | 'problems'> => ({
    seal: batch === null ? 'unsealed' : problems.length === 0 ? 'verified' : 'broken',
    problems,
  });
  const base = { organizationId: row.organization_id, authorizationId: row.id, detail: null, differences: [] };
  if (batch === 'missing') {
    return { ...base, ...sealOf(['batch_missing']), answer: 'not_replayed', detail: 'its batch is gone' };
  }
  if (receipt === null) {
    const problems = batch === null ? [] : checkReceipt(batch, row.batch_ordinal ?? -1, row.receipt, '');
    const detail = 'its receipt is not of a form that can be replayed';
    return { ...base, ...sealOf([...new Set([...batchProblems, ...problems])]), answer: 'not_replayed', detail };
  }
  const fromRow = rowDifferences(row, legs, receipt);
  if (batch === null) {
    const detail = 'the prices it was decided on were not kept, as no batch was sealed';
    return fromRow.length > 0
      ? { ...base, ...sealOf([]), answer: 'different', differences: fromRow }
      : { ...base, ...sealOf([]), answer: 'not_replayed', detail };
  }
  const problems = [
    ...new Set([...batchProblems, ...checkReceipt(batch, row.batch_ordinal ?? -1, row.receipt, receipt.market)]),
  ];
  const again = await takeAgain(policies, row, receipt, batch.market, problems.length > 0);
  if (typeof again === 'string') {
    const answer = fromRow.length > 0 ? 'different' : 'unknown_rules';
    return { ...base, ...sealOf(problems), answer, detail: again, differences: fromRow };
  }
  const differences = [...again, ...fromRow];
  return { ...base, ...sealOf(problems), answer: differences.length === 0 ? 'same' : 'different', differences };
}

/** The differences, or why it cannot be taken again. */
async function takeAgain(
  policies: Policies,
  row: ReplayedRow,
  receipt: Receipt,
  market: string,
  tampered: boolean,
): Promise<readonly Difference[] | string> {
  const policy = await policies(receipt, row);
  if (policy === null) return [{ field: 'policy', stored: receipt.policy.toString(), again: undefined }];
  if (canonicalJson(JSON.parse(row.receipt)) !== row.receipt) {
    return [{ field: 'receipt', stored: 'not canonical', again: 'canonical' }];
  }
  try {
    return replay(receipt, market, policy).differences;
  } catch (error) {
    if (error instanceof UnknownRulesError) return error.message;
    // What was tampered with may not even be readable; what was sealed is, or the rules have a defect.
    if (tampered) return [{ field: 'receipt', stored: 'not readable', again: undefined }];
    throw error;
  }
}
