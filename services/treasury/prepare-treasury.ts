import type { ChainSandbox } from '../chain/port';
import { inOrganization } from '../database/transaction';
import { walletOf } from '../ledger/account-refs';
import { balanceOf } from '../ledger/ledger.repository';
import { postTransactions } from '../ledger/post-transactions';
import { fundOrganization } from '../ledger/templates/fund-organization';
import type { BankSandbox } from '../providers/off-ramp/port';
import { required } from '../shared/assert';
import { done, type StepResult, WAIT_MS, waiting } from '../shared/step';
import { ensureGas } from './ensure-gas';
import { findOrganization, insertWalletRoute } from './treasury.repository';
import { type ChainStepDeps, type OrganizationWallets, organizationWallets, tokenAddress } from './wallets';

/** What the sandbox gives a new test organization as capital. */
export interface SandboxCapital {
  /** Wei. */
  readonly ether: bigint;
  /** Base units by asset code. */
  readonly tokens: Readonly<Record<string, bigint>>;
  /** Cents. */
  readonly cash: bigint;
}

export const DEFAULT_SANDBOX_CAPITAL: SandboxCapital = {
  ether: 20_000_000_000_000_000_000n,
  tokens: { USDC: 25_000_000_000n, EURC: 25_000_000_000n },
  cash: 5_000_000n,
};

export interface PrepareTreasuryDeps extends ChainStepDeps {
  /** Present only where the chain and the bank are our sandbox; a live organization pays in itself. */
  readonly sandbox: {
    readonly chain: ChainSandbox;
    readonly bank: BankSandbox;
    readonly capital: SandboxCapital;
  } | null;
}

/**
 * Makes a new organization able to move money: its wallets are known by address, in the sandbox they get capital, and the
 * treasury gets ether for its gas. All of it is on the ledger. Done when the treasury can send.
 */
export async function prepareTreasury(
  deps: PrepareTreasuryDeps,
  input: { readonly organizationId: string },
): Promise<StepResult> {
  const { organizationId } = input;
  const wallets = await organizationWallets(deps, organizationId);
  const chainId = deps.deployment.chainId;
  const mode = await inOrganization(deps.knex, organizationId, async (trx) => {
    for (const purpose of ['operating', 'treasury'] as const) {
      await insertWalletRoute(trx, {
        chain_id: chainId,
        address: wallets[purpose].address,
        organization_id: organizationId,
        purpose,
      });
    }
    return required(await findOrganization(trx, organizationId), 'organization').mode;
  });
  if (mode === 'test' && deps.sandbox) {
    await payInTokens(deps, deps.sandbox, organizationId, wallets);
    const paidIn = await payInCash(deps, deps.sandbox, organizationId);
    if (!paidIn) return waiting('preparing', 'the bank did not say whether it booked the capital', WAIT_MS.vendor);
  }
  const gas = await ensureGas(deps, {
    organizationId,
    wallets,
    address: wallets.treasury.address,
    purpose: `treasury:${organizationId}`,
    topUp: deps.gas.treasuryTopUp,
  });
  return gas.kind === 'ready' ? done('prepared') : waiting('preparing', gas.reason, WAIT_MS.block);
}

type Sandbox = NonNullable<PrepareTreasuryDeps['sandbox']>;

/** Fills the operating wallet up to the capital and books what it then holds more than the ledger says: once per asset. */
async function payInTokens(
  deps: PrepareTreasuryDeps,
  { chain, capital }: Sandbox,
  organizationId: string,
  wallets: OrganizationWallets,
): Promise<void> {
  const { address } = wallets.operating;
  for (const [asset, wanted] of [['ETH', capital.ether] as const, ...Object.entries(capital.tokens)]) {
    const wallet = walletOf(deps.deployment.chainId, address, asset);
    const booked = await inOrganization(deps.knex, organizationId, (trx) => balanceOf(trx, organizationId, wallet));
    if (booked > 0n) continue;
    const held = () =>
      asset === 'ETH'
        ? deps.reader.nativeBalance(address)
        : deps.reader.tokenBalance(tokenAddress(deps.deployment, asset), address);
    const before = await held();
    if (before < wanted) {
      if (asset === 'ETH') await chain.fundNative(address, wanted - before);
      else await chain.fundToken(asset, address, wanted - before);
    }
    const amount = await held();
    await inOrganization(deps.knex, organizationId, (trx) =>
      postTransactions(trx, organizationId, [
        fundOrganization({
          reference: `sandbox:${asset}`,
          effectiveAt: deps.clock.now(),
          tokens: [{ wallet, amount }],
          cash: 0n,
        }),
      ]),
    );
  }
}

async function payInCash(
  deps: PrepareTreasuryDeps,
  { bank, capital }: Sandbox,
  organizationId: string,
): Promise<boolean> {
  if (capital.cash === 0n) return true;
  const reference = `CAPITAL-${organizationId}`;
  const credited = await bank.credit({ reference, amount: capital.cash });
  if (credited.kind !== 'ok') return false;
  await inOrganization(deps.knex, organizationId, (trx) =>
    postTransactions(trx, organizationId, [
      fundOrganization({ reference, effectiveAt: credited.value.bookedAt, tokens: [], cash: credited.value.amount }),
    ]),
  );
  return true;
}
