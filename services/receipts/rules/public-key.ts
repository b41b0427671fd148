/** A public key as JWKS carries it (RFC 8037). `x` is its 32 bytes in base64url. */
export interface ReceiptPublicKey {
  readonly kty: 'OKP';
  readonly crv: 'Ed25519';
  readonly x: string;
}

/** The text whose SHA-256 is the key's thumbprint (RFC 7638): required members only, sorted, without white space. */
export function thumbprintText(key: ReceiptPublicKey): string {
  return `{"crv":"${key.crv}","kty":"${key.kty}","x":"${key.x}"}`;
}
