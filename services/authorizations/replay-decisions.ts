import type { Knex } from 'knex';
import type { ProgramPolicy } from '../programs/rules/program-policy';
import { checkBatch, checkReceipt, type SealedBatch, type SealProblem } from '../receipts/check-seal';
import { findSealedBatches } from '../receipts/find-sealed-batches';
import { canonicalJson } from '../receipts/rules/canonical-json';
import {
  findAmendmentPage,
  findAmendmentsToReplay,
  findLegsToReplay,
  findOrganizationIds,
  findPageToReplay,
  findPolicyVersion,
  findToReplay,
  type ReplayedAmendment,
  type ReplayedLeg,
  type ReplayedRow,
} from './replay.repository';
import { type Receipt, readReceipt } from './rules/receipt';
import { amendmentDifferences, rowDifferences } from './rules/receipt-of-row';
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
  /** The decision on more for it; null: on its first message. */
  readonly amendmentId: string | null;
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

/** A stored decision, whichever rows it stands in. */
interface StoredDecision {
  readonly organizationId: string;
  readonly authorizationId: string;
  readonly amendmentId: string | null;
  readonly programId: string;
  readonly receipt: string;
  readonly batchId: string | null;
  readonly ordinal: number | null;
  /** Where its rows say something else than its receipt. */
  readonly fromRows: (receipt: Receipt) => readonly Difference[];
}

/**
 * Takes stored decisions again from their receipts, compares them to the unit, and verifies their seals: first messages, and what
 * came on top of them. Streams page by page. `db` is a role that sees every organization and may only read.
 */
export async function* replayDecisions(db: Knex, selection: ReplaySelection): AsyncGenerator<ReplayedDecision> {
  const policies = createPolicies(db);
  for await (const decisions of decisionsOf(db, selection)) {
    const batchIds = [...new Set(decisions.flatMap(({ batchId }) => (batchId === null ? [] : [batchId])))];
    const batches = await findSealedBatches(db, batchIds);
    const checked = new Map([...batches].map(([id, batch]) => [id, checkBatch(batch)]));
    for (const decision of decisions) {
      const { batchId } = decision;
      const batch = batchId === null ? null : (batches.get(batchId) ?? 'missing');
      const shared = batchId === null ? [] : (checked.get(batchId) ?? []);
      yield await replayOne(policies, decision, batch, shared);
    }
  }
}

async function* decisionsOf(db: Knex, selection: ReplaySelection): AsyncGenerator<readonly StoredDecision[]> {
  for await (const rows of pagesOf<ReplayedRow>(db, selection, findPageToReplay, (id) => findToReplay(db, id))) {
    const legs = new Map<string, ReplayedLeg[]>();
    for (const leg of await findLegsToReplay(db, rows)) {
      legs.set(leg.authorization_id, [...(legs.get(leg.authorization_id) ?? []), leg]);
    }
    yield rows.map((row) => firstDecision(row, legs.get(row.id) ?? []));
  }
  const ofOne = async (authorizationId: string) => {
    const [authorization] = await findToReplay(db, authorizationId);
    return authorization === undefined ? [] : findAmendmentsToReplay(db, authorization);
  };
  for await (const rows of pagesOf<ReplayedAmendment>(db, selection, findAmendmentPage, ofOne)) {
    const purchases = rows.map((row) => ({ organization_id: row.organization_id, id: row.authorization_id }));
    const legs = new Map((await findLegsToReplay(db, purchases)).map((leg) => [leg.id, leg]));
    yield rows.flatMap((row) => amendmentDecision(row, legs));
  }
}

function firstDecision(row: ReplayedRow, legs: readonly ReplayedLeg[]): StoredDecision {
  return {
    organizationId: row.organization_id,
    authorizationId: row.id,
    amendmentId: null,
    programId: row.program_id,
    receipt: row.receipt,
    batchId: row.batch_id,
    ordinal: row.batch_ordinal,
    fromRows: (receipt) => rowDifferences(row, legs, receipt),
  };
}

/** Nothing for one that left no receipt: it was decided before these were kept. */
function amendmentDecision(row: ReplayedAmendment, legs: ReadonlyMap<string, ReplayedLeg>): readonly StoredDecision[] {
  if (row.receipt === null) return [];
  const own = row.leg_ids.flatMap((id) => legs.get(id) ?? []);
  return [
    {
      organizationId: row.organization_id,
      authorizationId: row.authorization_id,
      amendmentId: row.id,
      programId: row.program_id,
      receipt: row.receipt,
      batchId: row.batch_id,
      ordinal: row.batch_id === null ? null : 0,
      fromRows: (receipt) => amendmentDifferences(row, own, receipt),
    },
  ];
}

async function* pagesOf<Row extends { readonly id: string }>(
  db: Knex,
  selection: ReplaySelection,
  findPage: (db: Knex, page: Parameters<typeof findPageToReplay>[1]) => Promise<readonly Row[]>,
  ofOne: (authorizationId: string) => Promise<readonly Row[]>,
): AsyncGenerator<readonly Row[]> {
  if (selection.kind === 'one') {
    yield await ofOne(selection.authorizationId);
    return;
  }
  const { from, to } = selection;
  const organizations = selection.organizationId === null ? await findOrganizationIds(db) : [selection.organizationId];
  const untilId = idAt(to.getTime(), 'f');
  for (const organizationId of organizations) {
    let afterId = idAt(from.getTime() - ID_MARGIN_MS, '0');
    for (;;) {
      const rows = await findPage(db, { organizationId, from, to, afterId, untilId, limit: PAGE });
      const last = rows.at(-1);
      if (last === undefined) break;
      yield rows;
      if (rows.length < PAGE) break;
      afterId = last.id;
    }
  }
}

type Policies = (receipt: Receipt, decision: StoredDecision) => Promise<ProgramPolicy | null>;

function createPolicies(db: Knex): Policies {
  const known = new Map<string, ProgramPolicy | null>();
  return async (receipt, { organizationId, programId }) => {
    const key = { organizationId, programId, version: receipt.policy };
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
  decision: StoredDecision,
  batch: SealedBatch | 'missing' | null,
  batchProblems: readonly SealProblem[],
): Promise<ReplayedDecision> {
  const { organizationId, authorizationId, amendmentId } = decision;
  const ordinal = decision.ordinal ?? -1;
  const receipt = readReceipt(decision.receipt);
  const sealOf = (problems: readonly SealProblem[]): Pick<ReplayedDecision, 'seal' | 'problems'> => ({
    seal: batch === null ? 'unsealed' : problems.length === 0 ? 'verified' : 'broken',
    problems,
  });
  const base = { organizationId, authorizationId, amendmentId, detail: null, differences: [] };
  if (batch === 'missing') {
    return { ...base, ...sealOf(['batch_missing']), answer: 'not_replayed', detail: 'its batch is gone' };
  }
  if (receipt === null) {
    const problems = batch === null ? [] : checkReceipt(batch, ordinal, decision.receipt, '');
    const detail = 'its receipt is not of a form that can be replayed';
    return { ...base, ...sealOf([...new Set([...batchProblems, ...problems])]), answer: 'not_replayed', detail };
  }
  const fromRow = decision.fromRows(receipt);
  if (batch === null) {
    const detail = 'the prices it was decided on were not kept, as no batch was sealed';
    return fromRow.length > 0
      ? { ...base, ...sealOf([]), answer: 'different', differences: fromRow }
      : { ...base, ...sealOf([]), answer: 'not_replayed', detail };
  }
  const problems = [...new Set([...batchProblems, ...checkReceipt(batch, ordinal, decision.receipt, receipt.market)])];
  const again = await takeAgain(policies, decision, receipt, batch.market, problems.length > 0);
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
  decision: StoredDecision,
  receipt: Receipt,
  market: string,
  tampered: boolean,
): Promise<readonly Difference[] | string> {
  const policy = await policies(receipt, decision);
  if (policy === null) return [{ field: 'policy', stored: receipt.policy.toString(), again: undefined }];
  if (canonicalJson(JSON.parse(decision.receipt)) !== decision.receipt) {
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
