import type { z } from 'zod';
import type { FieldProblem } from './problem';

type Place = 'body' | 'query' | 'path';

/** What a schema found wrong, one entry for each field, with a JSON pointer (body) or the parameter's name. */
export function fieldProblems(error: z.ZodError, place: Place): FieldProblem[] {
  return error.issues.flatMap((issue) => issueProblems(issue, place));
}

function issueProblems(issue: z.core.$ZodIssue, place: Place): FieldProblem[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      ...where([...issue.path, key], place),
      code: 'unknown_field',
      detail: 'is not a known field: remove it or check its spelling',
    }));
  }
  return [{ ...where(issue.path, place), code: codeOf(issue), detail: detailOf(issue) }];
}

function where(path: readonly PropertyKey[], place: Place): Pick<FieldProblem, 'pointer' | 'parameter'> {
  return place === 'body' ? { pointer: jsonPointer(path) } : { parameter: path.map(String).join('.') };
}

/** RFC 6901. */
function jsonPointer(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

function codeOf(issue: z.core.$ZodIssue): string {
  if (isMissing(issue)) return 'required';
  if (issue.code !== 'custom') return issue.code;
  const problem: unknown = issue.params?.problem;
  return typeof problem === 'string' ? problem : 'invalid_value';
}

function detailOf(issue: z.core.$ZodIssue): string {
  if (isMissing(issue)) return 'is required';
  return issue.message.replace(/^Invalid (?:input|option): expected /, 'must be ');
}

function isMissing(issue: z.core.$ZodIssue): boolean {
  return issue.code === 'invalid_type' && issue.message.endsWith('received undefined');
}
