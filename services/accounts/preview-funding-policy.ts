import type { AssetCatalog } from '../assets/load-asset-catalog';
import { type Quote, type QuotedPurchase, quoteUnderPolicies } from '../authorizations/quote-spend';
import type { Transaction } from '../database/transaction';
import type { FundingPolicy } from '../funding/rules/funding-policy';
import { showProgram } from '../programs/show-program';
import type { Clock } from '../shared/clock';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { findAccount } from './account.repository';
import { type RequestedFunding, wantedFunding } from './wanted-funding';

export interface FundingPreview {
  readonly fundingPolicy: FundingPolicy;
  /** One for each purchase, in their order; each stands by itself. */
  readonly purchases: readonly { readonly current: Quote; readonly proposed: Quote }[];
}

/** What a changed funding policy would do to some purchases, next to what the present one does. Nothing is written. */
export async function previewFundingPolicy(
  trx: Transaction,
  deps: { readonly assets: AssetCatalog; readonly clock: Clock },
  input: {
    readonly organizationId: string;
    readonly accountId: string;
    readonly cardId: string | null;
    readonly funding: RequestedFunding;
    readonly purchases: readonly QuotedPurchase[];
  },
): Promise<Result<FundingPreview, Refusal>> {
  const { organizationId, accountId } = input;
  const account = await findAccount(trx, organizationId, accountId);
  if (account === undefined) return err(refusal('not_found', 'there is no account with this id'));
  const program = await showProgram(trx, { organizationId, programId: account.program_id });
  if (!program.ok) return program;
  const { currency } = program.value.program;
  const wanted = wantedFunding(deps.assets, { currency, policy: program.value.policy }, input.funding);
  if (!wanted.ok) {
    const { code, detail, pointer = '' } = wanted.error;
    return err(refusal(code, detail, `/funding_policy${pointer}`));
  }
  const fundingPolicy = wanted.value;
  const quoted = await quoteUnderPolicies(trx, deps, {
    organizationId,
    accountId,
    cardId: input.cardId,
    purchases: input.purchases,
    fundingPolicy,
  });
  return quoted.ok ? ok({ fundingPolicy, purchases: quoted.value }) : quoted;
}
