import type { AssetCatalog } from '../assets/load-asset-catalog';
import type { ChainDeployment } from '../chain/port';
import type { Custody } from '../providers/custody/port';
import type { KeyProvider } from '../providers/keys/port';
import type { KycVendor } from '../providers/kyc/port';
import type { Clock } from '../shared/clock';

/** What the routes of `/v1` hand to use cases. */
export interface RouteDeps {
  readonly clock: Clock;
  readonly assets: AssetCatalog;
  readonly apiKeyPepper: string;
  readonly custody: Pick<Custody, 'address'>;
  readonly keys: KeyProvider;
  readonly kyc: Pick<KycVendor, 'vendor'>;
  readonly deployment: Pick<ChainDeployment, 'chainId' | 'tokens'>;
}
