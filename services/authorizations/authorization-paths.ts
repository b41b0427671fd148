import type { Pool } from 'pg';
import type { AuthorizationRequest } from '../providers/processor/port';
import { findProgramOfCard, findWorkflowPrograms, type WorkflowProgram } from './authorization-path.repository';

export interface AuthorizationPaths {
  /** The program whose workflows answer this request, or null: it is answered directly. Never rejects. */
  workflowProgramOf(request: AuthorizationRequest): Promise<WorkflowProgram | null>;
}

export interface AuthorizationPathsDeps {
  /** Pool of the role `escudo_authorizer`. */
  readonly pool: Pool;
  readonly failed: (error: unknown) => void;
  /** How long the list of programs may be used. */
  readonly programsKeptMs?: number;
  /** How long a request waits for the database to name its path. */
  readonly waitMaxMs?: number;
}

const PROGRAMS_KEPT_MS = 1_000;
/** A database that says nothing for so long leaves the question to the direct path, which answers in time whatever happens. */
const WAIT_MAX_MS = 500;
/** Programs of cards seen; forgetting one costs a look. */
const CARDS_KEPT_MAX = 200_000;

/**
 * Which path answers. The programs on the workflow path are one small list, read anew every second while requests come; a
 * card is looked up once, and only if there is any such program. Where the list cannot be read, or not soon enough, the last
 * one holds, and without any the direct path, which always can.
 */
export function createAuthorizationPaths(deps: AuthorizationPathsDeps): AuthorizationPaths {
  const { pool, failed, programsKeptMs = PROGRAMS_KEPT_MS, waitMaxMs = WAIT_MAX_MS } = deps;
  const programOfCard = new Map<string, string>();
  let programs: ReadonlyMap<string, WorkflowProgram> = new Map();
  let readAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | null = null;

  const readPrograms = async (): Promise<void> => {
    try {
      programs = new Map((await findWorkflowPrograms(pool)).map((program) => [program.programId, program]));
    } catch (error) {
      failed(error);
    }
    readAt = performance.now();
    reading = null;
  };

  return {
    async workflowProgramOf({ vendor, cardToken }) {
      const age = performance.now() - readAt;
      if (age > programsKeptMs) {
        reading ??= readPrograms();
        // Nobody waits for a newer list, except for the first and after a silence.
        if (age > 2 * programsKeptMs) await soon(reading, waitMaxMs);
      }
      if (programs.size === 0) return null;
      const key = `${vendor}:${cardToken}`;
      let programId = programOfCard.get(key);
      if (programId === undefined) {
        try {
          const found = await soon(findProgramOfCard(pool, vendor, cardToken), waitMaxMs);
          if (found === null || found === undefined) return null;
          programId = found;
        } catch (error) {
          failed(error);
          return null;
        }
        if (programOfCard.size >= CARDS_KEPT_MAX) programOfCard.clear();
        programOfCard.set(key, programId);
      }
      return programs.get(programId) ?? null;
    },
  };
}

/** What the promise gives, or undefined when it has given nothing in time. */
async function soon<T>(promise: Promise<T>, waitMaxMs: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, waitMaxMs, undefined);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
