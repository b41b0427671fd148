import express, { type Request, type Response } from 'express';
import { Problem } from '../problem';

/** Larger than any body of ours but those that carry documents. */
const DEFAULT_LIMIT_BYTES = 64 * 1024;

/** The parsed body, `undefined` when there is none. Throws a problem for another media type, bad JSON or excess size. */
export async function readJsonBody(
  request: Request,
  response: Response,
  limit = DEFAULT_LIMIT_BYTES,
): Promise<unknown> {
  const length = request.headers['content-length'];
  const hasBody = request.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
  if (!hasBody) return undefined;
  if (!request.is('application/json')) {
    throw new Problem(
      'unsupported_media_type',
      'send the body as JSON with the header "Content-Type: application/json"',
    );
  }
  await new Promise<void>((resolve, reject) => {
    express.json({ limit })(request, response, (error: unknown) =>
      error ? reject(toProblem(error, limit)) : resolve(),
    );
  });
  return request.body;
}

function toProblem(error: unknown, limit: number): unknown {
  const type = typeof error === 'object' && error !== null && 'type' in error ? error.type : undefined;
  switch (type) {
    case 'entity.parse.failed':
      return new Problem(
        'malformed_json',
        'the body cannot be read as a JSON object: check quotes, commas and encoding',
      );
    case 'entity.too.large':
      return new Problem('payload_too_large', `the body is larger than ${limit} bytes`);
    case 'encoding.unsupported':
    case 'charset.unsupported':
      return new Problem('unsupported_media_type', 'send the body in UTF-8, uncompressed or with gzip, deflate or br');
    case 'request.aborted':
    case 'request.size.invalid':
      return new Problem('malformed_json', 'the body is shorter or longer than its Content-Length');
    default:
      return error;
  }
}
