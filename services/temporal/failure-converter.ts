import { DefaultFailureConverter } from '@temporalio/common';

/** Puts messages and stack traces of failures into payloads, where the codec encrypts them: an error may quote data. */
export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });
