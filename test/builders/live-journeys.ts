import * as fc from 'fast-check';
import { required } from '../../services/shared/assert';
import { brokenBooks } from './books';
import { type JourneyDeps, JourneyWorld, modelPolicy, type Outcome, tampered } from './journey-world';
import { type Journey, type Move, type Step, tell, tellBeginning } from './model-journey';
import { type Earned, ModelSpending, type Reply } from './model-spending';

const CANDIDATES_MAX = 16;
const SHRINK_LIMIT_MS = 60_000;

/** Journeys that are lived through, and how many of them, or for how long. */
export interface LiveJourneysInput {
  /** What they are called where the seed is printed. */
  readonly name: string;
  readonly deps: JourneyDeps;
  readonly journeys: fc.Arbitrary<Journey>;
  /** Journeys that once went wrong, lived through first. */
  readonly known: readonly Journey[];
  readonly seed: number;
  readonly runs: number;
  /** 0: as long as it takes. */
  readonly timeLimitMs: number;
  /** How an outcome looks from where it is heard; left out: as it is. */
  readonly heard?: (outcome: Outcome) => Outcome;
}

/**
 * Lives through random journeys, in the product and in the model, and compares the two after every step, and the books with
 * themselves. Throws with the story of the journey that went wrong, made as short as the time allows. Returns how many there were.
 */
export async function liveJourneys(input: LiveJourneysInput): Promise<number> {
  const { name, seed, runs, timeLimitMs } = input;
  process.stdout.write(`${name}: seed ${seed}, up to ${runs} of them\n`);
  let lived = 0;
  let underWay: Promise<void> = Promise.resolve();
  const property = fc.asyncProperty(input.journeys, async (journey) => {
    lived += 1;
    underWay = live(input, journey);
    await underWay;
  });
  const found = await fc.check(property, {
    numRuns: runs,
    seed,
    examples: input.known.map((journey): [Journey] => [journey]),
    endOnFailure: true,
    ...(timeLimitMs > 0 ? { interruptAfterTimeLimit: timeLimitMs } : {}),
  });
  process.stdout.write(`${name}: ${lived} lived through\n`);
  if (found.failed && found.counterexamplePath !== null) {
    // Once more from where it failed, made as short as the time allows.
    const path = found.counterexamplePath;
    const shorter = await fc.check(property, { seed, path, interruptAfterTimeLimit: SHRINK_LIMIT_MS });
    await underWay.catch(() => undefined);
    throw new Error(
      `seed ${seed}, path ${path}, made shorter ${shorter.numShrinks} times\n${causeOf(shorter) ?? causeOf(found)}`,
    );
  }
  // The time limit does not wait for the journey that it met.
  await underWay;
  return lived;
}

function causeOf(details: fc.RunDetails<[Journey]>): string | null {
  return details.errorInstance instanceof Error ? details.errorInstance.message : null;
}

/** Everything comparable as one text: a difference is then read line by line. */
function text(value: unknown): string {
  return JSON.stringify(value, (_key, each) => (typeof each === 'bigint' ? `${each}` : each), 1);
}

/** What may be: the models after what happened, with the answers that go with them. */
interface Possibility {
  readonly models: readonly ModelSpending[];
  readonly outcomes: readonly Outcome[];
}

function expected(reply: Reply | null, move: Move): Outcome {
  if (reply !== null) return { reply };
  return comesByNoMessage(move) ? null : { recorded: 'recorded' };
}

function after(models: readonly ModelSpending[], moves: readonly Move[]): Possibility {
  const next = models.map((model) => model.copy());
  const outcomes = moves.map((move) => expected(required(next[move.account], 'model').happen(move.what), move));
  return { models: next, outcomes };
}

function changed(models: readonly ModelSpending[], change: (model: ModelSpending) => void): Possibility {
  const next = models.map((model) => model.copy());
  for (const model of next) change(model);
  return { models: next, outcomes: [] };
}

async function live(input: LiveJourneysInput, journey: Journey): Promise<void> {
  const world = await JourneyWorld.open(input.deps, journey);
  try {
    await liveThrough(input, journey, world);
  } finally {
    await world.close();
  }
}

async function liveThrough(
  { deps, heard = (outcome) => outcome }: LiveJourneysInput,
  journey: Journey,
  world: JourneyWorld,
): Promise<void> {
  const policy = modelPolicy(journey.terms, journey.limit);
  // More than one where things happened at once and either order looks the same from outside, for now.
  let candidates: readonly (readonly ModelSpending[])[] = [
    journey.owns.map((owns) => ModelSpending.start(owns, policy, journey.market)),
  ];
  const answers: Outcome[] = [];
  const story: string[] = [];
  const told = ({ models, outcomes }: Possibility): string =>
    text({ outcomes: outcomes.map(heard), standings: models.map((model) => model.standing()), earned: sumOf(models) });

  for (const step of journey.steps) {
    const before = text(candidates[0]?.map((model) => model.standing()));
    const { expectations, outcomes } = await take(world, journey, answers, step).catch((error: unknown) => {
      const surprise = error instanceof Error ? (error.stack ?? error.message) : String(error);
      throw new Error(
        [tellBeginning(journey), ...story, `${story.length + 1}. ${tell(step)}`, `BROKE DOWN: ${surprise}`].join('\n'),
      );
    });
    story.push(`${story.length + 1}. ${tell(step)}\n     -> ${text(outcomes).replaceAll(/\s+/g, ' ')}`);
    const seen = text({ outcomes, standings: await world.standings(), earned: await world.earned() });
    const possible = candidates.flatMap((models) => expectations(models));
    const matching = possible.filter((each) => told(each) === seen);
    const broken = await brokenBooks(deps.superuser, world.world.organizationId);
    if (matching.length === 0 || broken.length > 0) {
      throw new Error(
        [
          tellBeginning(journey),
          ...story,
          ...broken.map((breach) => `BOOKS: ${breach}`),
          ...(matching.length === 0 ? possible.map((each, index) => differences(told(each), seen, index)) : []),
          `before the last step: ${before.replaceAll(/\s+/g, ' ')}`,
        ].join('\n'),
      );
    }
    candidates = matching.slice(0, CANDIDATES_MAX).map((each) => each.models);
  }
}

function sumOf(models: readonly ModelSpending[]): Earned {
  const earned = models.map((model) => model.earned());
  return {
    owed: earned.reduce((sum, each) => sum + each.owed, 0n),
    fees: earned.reduce((sum, each) => sum + each.fees, 0n),
    reserved: earned.reduce((sum, each) => sum + each.reserved, 0n),
  };
}

/** What a step came to, and what the model would have come of it. */
interface Taken {
  readonly outcomes: readonly Outcome[];
  readonly expectations: (models: readonly ModelSpending[]) => readonly Possibility[];
}

async function take(world: JourneyWorld, journey: Journey, answers: Outcome[], step: Step): Promise<Taken> {
  switch (step.kind) {
    case 'one': {
      const known = world.sent.length;
      const outcome = await world.happen(step.move);
      if (world.sent.length > known) answers.push(outcome);
      return { expectations: (models) => [after(models, [step.move])], outcomes: [outcome] };
    }
    case 'together': {
      const [first, second] = step.moves;
      if (comesByNoMessage(first) || comesByNoMessage(second)) {
        return take(world, journey, answers, { kind: 'one', move: first });
      }
      const outcomes = await Promise.all(step.moves.map((move) => world.send(world.messageOf(move))));
      answers.push(...outcomes);
      const expectations = (models: readonly ModelSpending[]) => {
        const inOrder = after(models, [first, second]);
        const reversed = after(models, [second, first]);
        return [inOrder, { ...reversed, outcomes: reversed.outcomes.toReversed() }];
      };
      return { expectations, outcomes };
    }
    case 'twice': {
      if (comesByNoMessage(step.move)) return take(world, journey, answers, { kind: 'one', move: step.move });
      const message = world.messageOf(step.move);
      const outcomes = await Promise.all([world.send(message), world.deliver(message)]);
      answers.push(outcomes[0]);
      const expectations = (models: readonly ModelSpending[]) => {
        const once = after(models, [step.move]);
        const first = once.outcomes[0] ?? null;
        const second: Outcome = first !== null && 'recorded' in first ? { recorded: 'already_recorded' } : first;
        return [
          { ...once, outcomes: [first, second] },
          { ...once, outcomes: [second, first] },
        ];
      };
      return { expectations, outcomes };
    }
    case 'again':
    case 'changed': {
      if (world.sent.length === 0) return { expectations: (models) => [after(models, [])], outcomes: [] };
      const index = step.nth % world.sent.length;
      const message = required(world.sent[index], 'message');
      const late: Outcome = { reply: { outcome: 'declined', approved: 0n, reason: 'late' } };
      const first = world.isGivenUp(message) ? late : (answers[index] ?? null);
      const outcome = await world.deliver(step.kind === 'again' ? message : tampered(message));
      const refused: Outcome =
        message.kind === 'event'
          ? { recorded: 'conflict' }
          : { reply: { outcome: 'declined', approved: 0n, reason: 'duplicate_conflict' } };
      const same: Outcome = message.kind === 'event' ? { recorded: 'already_recorded' } : first;
      return {
        expectations: (models) => [{ ...after(models, []), outcomes: [step.kind === 'again' ? same : refused] }],
        outcomes: [outcome],
      };
    }
    case 'policy': {
      await world.changeLimit(step.limit);
      const policy = modelPolicy(journey.terms, step.limit);
      return { expectations: (models) => [changed(models, (model) => model.follow(policy))], outcomes: [] };
    }
    case 'prices': {
      await world.movePrices(step.market);
      return { expectations: (models) => [changed(models, (model) => model.priced(step.market))], outcomes: [] };
    }
  }
}

const BY_NO_MESSAGE: ReadonlySet<Move['what']['kind']> = new Set(['deposit', 'unheard', 'look']);

function comesByNoMessage({ what }: Move): boolean {
  return BY_NO_MESSAGE.has(what.kind) || (what.kind === 'expiry' && what.by === 'us');
}

/** The lines that differ, the model's first. */
function differences(wanted: string, seen: string, order: number): string {
  const [a, b] = [wanted.split('\n'), seen.split('\n')];
  const lines: string[] = [];
  for (let index = 0; index < Math.max(a.length, b.length); index += 1) {
    if (a[index] !== b[index]) lines.push(`  model: ${a[index] ?? ''}\n  found: ${b[index] ?? ''}`);
  }
  return `${order === 0 ? 'DIFFERENT' : 'or, in the other order,'}\n${lines.slice(0, 12).join('\n')}`;
}
