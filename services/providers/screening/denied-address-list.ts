import type { AddressScreening } from './port';

/**
 * Screening against a list that the operator keeps: exact addresses only, no analysis of where money came from. It stands in where no
 * screening vendor is connected.
 */
export function createDeniedAddressList(addresses: Iterable<string>): AddressScreening {
  const denied = new Set([...addresses].map((address) => address.toLowerCase()));
  return {
    async screen(address) {
      return denied.has(address.toLowerCase()) ? { kind: 'denied', list: 'operator' } : { kind: 'clear' };
    },
  };
}
