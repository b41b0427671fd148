import type { DataConverter } from '@temporalio/common';
import { createPayloadCodec } from './payload-codec';

/** The one data converter: client, worker and replay must read what the others wrote. */
export function createDataConverter(codecKey: Buffer): DataConverter {
  return {
    payloadCodecs: [createPayloadCodec([codecKey])],
    failureConverterPath: require.resolve('./failure-converter'),
  };
}
