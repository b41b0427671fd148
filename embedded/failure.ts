/** A step of the embedded stack failed in a way its user can mend: `remedy` says how. */
export class EmbeddedFailure extends Error {
  override readonly name = 'EmbeddedFailure';

  constructor(
    message: string,
    readonly remedy: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** What a person should read when starting failed: the failure, its remedy and, when there is one, the cause. */
export function describeFailure(error: unknown): string {
  if (error instanceof EmbeddedFailure) {
    const cause = error.cause instanceof Error ? `\n  cause: ${error.cause.message}` : '';
    return `${error.message}${cause}\n  what to do: ${error.remedy}`;
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
