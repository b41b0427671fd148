import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import express, { type NextFunction, type Request, type Response } from 'express';
import { Webhook } from 'standardwebhooks';
import { z } from 'zod';
import { type Listening, listen } from '../shared/listen';
import { openStateFile } from '../shared/state-file';
import { type Answer, decide, questionSchema, type Rules, rulesSchema } from './decide';

export interface PartnerConfig {
  /** Address to listen on; this machine alone unless told. */
  readonly host?: string;
  readonly port: number;
  /** Where the state is kept; null keeps it in memory. */
  readonly dataFile: string | null;
}

/** How the partner misbehaves, and for how many questions. */
export const behaviourSchema = z
  .object({
    /**
     * `silent` never answers; `cut` begins an answer and drops the connection; `garbage` is not JSON; `invalid` is JSON that is no answer;
     * `oversized` is far too long; `redirect` sends elsewhere, where all is approved; `fail` is a 500; `held` waits until it is released.
     */
    mode: z.enum(['normal', 'held', 'silent', 'cut', 'garbage', 'invalid', 'oversized', 'redirect', 'fail']),
    /** Null: until told otherwise. */
    times: z.number().int().min(1).nullable().default(null),
    /** Waits this long before it does anything. */
    slow_ms: z.number().int().min(0).max(60_000).default(0),
  })
  .strict();

export type Behaviour = z.infer<typeof behaviourSchema>;

interface ReceivedQuestion {
  readonly id: string;
  readonly signature: 'valid' | 'invalid';
  readonly receivedAt: string;
  readonly test: boolean;
  readonly decision: Answer['decision'] | null;
  readonly body: unknown;
}

interface State {
  /** Newest first; all are valid, as during a rotation. */
  secrets: string[];
  rules: Rules;
}

const SECRETS_MAX = 4;
const QUESTIONS_MAX = 500;
const NORMAL: Behaviour = { mode: 'normal', times: null, slow_ms: 0 };

const secretBody = z.object({ secret: z.string().regex(/^whsec_[A-Za-z0-9+/=]+$/) }).strict();
const emptyState = (): State => ({ secrets: [], rules: rulesSchema.parse({}) });

class Refusal extends Error {
  constructor(
    readonly status: number,
    description: string,
  ) {
    super(description);
  }
}

type ReleasedMode = Exclude<Behaviour['mode'], 'held'>;

export interface Partner extends Listening {
  /** Every question that came, oldest first. */
  questions(): readonly ReceivedQuestion[];
  behave(behaviour: Behaviour): void;
  /** Lets what is held go on, as if it had been asked in this mode, which is the one from now on. */
  release(mode: ReleasedMode): void;
  /** Learns a secret, as from the answer that showed it. */
  learnSecret(secret: string): void;
  setRules(rules: Partial<Rules>): void;
}

/**
 * A fintech that decides on its own cardholders' purchases: it checks the signature against the secrets it was told, answers by a few
 * rules, gives a repeated question its first answer, and can be told to be slow, silent or wrong.
 */
export async function startPartner(config: PartnerConfig): Promise<Partner> {
  const file = openStateFile<State>(config.dataFile, emptyState);
  const questions: ReceivedQuestion[] = [];
  const answers = new Map<string, Answer>();
  let behaviour: Behaviour = NORMAL;
  const held: ((mode: ReleasedMode) => void)[] = [];

  function learnSecret(secret: string): void {
    file.value.secrets = [secret, ...file.value.secrets.filter((known) => known !== secret)].slice(0, SECRETS_MAX);
  }

  function isSigned(body: Buffer, headers: Request['headers']): boolean {
    return file.value.secrets.some((secret) => {
      try {
        new Webhook(secret).verify(body, headers as Record<string, string>);
        return true;
      } catch {
        return false;
      }
    });
  }

  function release(mode: ReleasedMode): void {
    behaviour = { ...NORMAL, mode };
    for (const go of held.splice(0)) go(mode);
  }

  function note(question: ReceivedQuestion): void {
    questions.push(question);
    if (questions.length > QUESTIONS_MAX) questions.shift();
  }

  function nextBehaviour(): Behaviour {
    const current = behaviour;
    if (current.times !== null) behaviour = current.times > 1 ? { ...current, times: current.times - 1 } : NORMAL;
    return current;
  }

  const app = express();
  app.disable('x-powered-by');
  app.get('/livez', (_request, response) => {
    response.json({ status: 'ok' });
  });

  app.use('/sim', express.json());
  app.post('/sim/secrets', async (request, response) => {
    learnSecret(parse(secretBody, request.body).secret);
    await file.save();
    response.json({ secrets: file.value.secrets.length });
  });
  app.post('/sim/rules', async (request, response) => {
    file.value.rules = parse(rulesSchema, request.body);
    await file.save();
    response.json({ rules: file.value.rules });
  });
  app.post('/sim/behaviour', (request, response) => {
    behaviour = parse(behaviourSchema, request.body);
    response.json({ behaviour });
  });
  app.post('/sim/release', (_request, response) => {
    release('normal');
    response.json({ ok: 1 });
  });
  app.get('/sim/state', (_request, response) => {
    response.json({ secrets: file.value.secrets.length, rules: file.value.rules, behaviour, questions });
  });
  app.post('/sim/reset', async (_request, response) => {
    file.value = emptyState();
    behaviour = NORMAL;
    questions.length = 0;
    answers.clear();
    await file.save();
    response.json({ ok: 1 });
  });

  // The signature covers the bytes as they came, so nothing is parsed before it has been checked.
  app.post('/decisions', express.raw({ type: () => true, limit: '64kb' }), async (request, response) => {
    const body: unknown = request.body;
    const bytes = Buffer.isBuffer(body) ? body : Buffer.alloc(0);
    const id = request.header('webhook-id') ?? '';
    const receivedAt = new Date().toISOString();
    if (!isSigned(bytes, request.headers)) {
      note({ id, signature: 'invalid', receivedAt, test: false, decision: null, body: null });
      throw new Refusal(401, 'the signature is not that of a secret this partner knows');
    }
    const question = parse(questionSchema, jsonOf(bytes));
    const answer = answers.get(id) ?? decide(file.value.rules, question);
    answers.set(id, answer);
    note({ id, signature: 'valid', receivedAt, test: question.test, decision: answer.decision, body: question });
    const { mode, slow_ms } = nextBehaviour();
    if (slow_ms > 0) await delay(slow_ms);
    reply(response, mode === 'held' ? await new Promise<ReleasedMode>((go) => held.push(go)) : mode, answer);
  });

  app.post('/elsewhere', (_request, response) => {
    response.json({ decision: 'approve' });
  });

  app.use((_request: Request, _response: Response, next: NextFunction) => next(new Refusal(404, 'Not found')));
  app.use((error: unknown, _request: Request, response: Response, _next: NextFunction) => {
    const refusal =
      error instanceof Refusal ? error : new Refusal(500, error instanceof Error ? error.message : 'failure');
    response.status(refusal.status).json({ error: refusal.message });
  });

  const listening = await listen(app, config.port, config.host);
  return {
    ...listening,
    questions: () => questions,
    behave: (next) => {
      behaviour = next;
    },
    release,
    learnSecret,
    setRules: (rules) => {
      file.value.rules = rulesSchema.parse({ ...file.value.rules, ...rules });
    },
    close: async () => {
      await listening.close();
      await file.save();
    },
  };
}

function reply(response: Response, mode: ReleasedMode, answer: Answer): void {
  switch (mode) {
    case 'normal':
      response.json(answer);
      return;
    case 'silent':
      // The connection stays open until the other side has had enough.
      return;
    case 'cut':
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' });
      response.write('{"decision":"app', () => response.destroy());
      return;
    case 'garbage':
      response.type('html').send('<html>It works!</html>');
      return;
    case 'invalid':
      response.json({ decision: 'maybe' });
      return;
    case 'oversized':
      response.json({ ...answer, reason: randomBytes(200_000).toString('hex') });
      return;
    case 'redirect':
      response.redirect(307, '/elsewhere');
      return;
    case 'fail':
      response.status(500).json({ error: 'simulated failure' });
      return;
  }
}

function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new Refusal(400, z.prettifyError(parsed.error));
  return parsed.data;
}

function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new Refusal(400, 'the body is not JSON');
  }
}
