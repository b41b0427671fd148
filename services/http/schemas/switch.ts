import { textInput } from './common';
import { z } from './zod';

/** What comes with the turn of a switch; a body is not needed. */
export const switchBody = z
  .strictObject({
    reason: textInput(200)
      .nullable()
      .default(null)
      .openapi({ description: 'Kept and shown, and told in the event: your own words, not the name of a person.' }),
  })
  .default({ reason: null });
