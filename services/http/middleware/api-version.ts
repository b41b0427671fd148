import type { NextFunction, Request, Response } from 'express';
import { Problem } from '../problem';

/** Dates of the versions of `/v1`, newest first. A request without the header gets the newest. */
export const API_VERSIONS = ['2026-11-01'] as const;

export function apiVersion(request: Request, response: Response, next: NextFunction): void {
  const asked = request.get('Escudo-Version');
  const version = asked === undefined ? API_VERSIONS[0] : API_VERSIONS.find((known) => known === asked);
  response.set('Escudo-Version', version ?? API_VERSIONS[0]);
  if (version === undefined) {
    throw new Problem(
      'unsupported_version',
      `send one of these as Escudo-Version, or leave it out: ${API_VERSIONS.join(', ')}`,
      [{ header: 'Escudo-Version', code: 'unknown_version', detail: 'is not a version of this API' }],
    );
  }
  next();
}
