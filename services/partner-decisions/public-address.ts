import type { LookupAddress } from 'node:dns';
import { lookup as lookupAddress } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';

/** IPv4 ranges that are not public addresses: IANA's special-purpose registry, multicast and reserved. */
const NOT_PUBLIC_V4: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
];

/** Global unicast is 2000::/3; within it, protocol assignments (Teredo among them), documentation and 6to4 are not public. */
const NOT_PUBLIC_V6: readonly (readonly [string, number])[] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
];

const notPublic = new BlockList();
for (const [network, prefix] of NOT_PUBLIC_V4) notPublic.addSubnet(network, prefix, 'ipv4');
for (const [network, prefix] of NOT_PUBLIC_V6) notPublic.addSubnet(network, prefix, 'ipv6');
const globalUnicast = new BlockList();
globalUnicast.addSubnet('2000::', 3, 'ipv6');

/** Whether an IP address is one of the public internet. False for what is no address at all. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return !notPublic.check(address, 'ipv4');
  if (family === 6) return globalUnicast.check(address, 'ipv6') && !notPublic.check(address, 'ipv6');
  return false;
}

/**
 * What is wrong with the URL of an endpoint, or null. Outside development only https and no address of a private network as a
 * literal; names are looked at when they are resolved ({@link lookupPublicOnly}), because what a name stands for changes.
 */
export function endpointUrlProblem(text: string, privateAllowed: boolean): string | null {
  if (!URL.canParse(text)) return 'must be a URL such as https://cards.example.com/decisions';
  const url = new URL(text);
  if (url.protocol !== 'https:' && !(privateAllowed && url.protocol === 'http:')) return 'must be an https URL';
  if (url.username !== '' || url.password !== '') return 'must not carry a user name or password: questions are signed';
  if (url.hash !== '') return 'must not have a fragment';
  if (privateAllowed) return null;
  // The URL parser has turned every way of writing an IPv4 address (octal, hexadecimal, one number) into the usual one.
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) !== 0) return isPublicAddress(host) ? null : 'must not name an address of a private network';
  if (!host.includes('.') || /(^|\.)(localhost|local|internal)\.?$/.test(host)) return 'must name a public host';
  return null;
}

/**
 * `dns.lookup` for sockets that may only reach the public internet: fails when any address of the name is not public. The socket
 * connects to what was checked here, so that no second resolution can give another address.
 */
export const lookupPublicOnly: LookupFunction = (hostname, options, callback) => {
  lookupAddress(hostname, { ...options, all: true }, (error, found: LookupAddress[]) => {
    if (error !== null) return callback(error, '', 0);
    const first = found[0];
    if (first === undefined || found.some(({ address }) => !isPublicAddress(address))) {
      return callback(new Error('the name stands for an address of a private network'), '', 0);
    }
    if (options.all === true) return callback(null, found);
    return callback(null, first.address, first.family);
  });
};
