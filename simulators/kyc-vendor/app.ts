import { randomBytes } from 'node:crypto';
import express, { type NextFunction, type Request, type Response } from 'express';
import { z } from 'zod';
import { createFaults, type Faults } from '../shared/faults';
import { type Listening, listen } from '../shared/listen';
import { openStateFile } from '../shared/state-file';
import { type PendingWebhook, WebhookOutbox } from '../shared/webhook-outbox';
import {
  type Applicant,
  applicantResource,
  applyOutcome,
  checkRefusal,
  fileHash,
  newApplicantId,
  newAttemptId,
  type Outcome,
  outcomeSchema,
  reviewOf,
  startCheck,
  vendorTime,
  vendorTimeMs,
} from './applicants';
import { requestSignatureProblem, webhookHeaders } from './signature';

export interface KycVendorConfig {
  /** Address to listen on; this machine alone unless told. */
  readonly host?: string;
  readonly port: number;
  /** Where the state is kept; null keeps it in memory. */
  readonly dataFile: string | null;
  readonly appToken: string;
  readonly secretKey: string;
  readonly webhookSecret: string;
  readonly webhookUrl: string | null;
  /** Verification levels that exist. Null accepts any. */
  readonly levelNames: readonly string[] | null;
  readonly requiredSteps?: readonly string[];
  /** How long a check takes. */
  readonly decisionDelayMs?: number;
  readonly retryDelaysMs?: readonly number[];
}

interface State {
  applicants: Record<string, Applicant>;
  /** Outcomes still to come, by external user id; an applicant without any is approved. */
  outcomes: Record<string, Outcome[]>;
  pending: PendingWebhook[];
}

const emptyState = (): State => ({ applicants: {}, outcomes: {}, pending: [] });

const createBody = z.looseObject({
  externalUserId: z.string().min(1).max(512),
  email: z.string().optional(),
  fixedInfo: z.record(z.string(), z.unknown()).optional(),
});
const documentMetadata = z.looseObject({ idDocType: z.string().min(1), country: z.string().length(3) });
const reviewBody = outcomeSchema.extend({ reviewAnswer: z.enum(['GREEN', 'RED']) });
const outcomesBody = z
  .object({
    externalUserId: z.string().min(1),
    answers: z.array(z.union([z.enum(['GREEN', 'HOLD', 'ON_HOLD']), outcomeSchema])),
  })
  .strict();

class Refusal extends Error {
  constructor(
    readonly status: number,
    description: string,
    readonly extra: Readonly<Record<string, unknown>> = {},
  ) {
    super(description);
  }
}

/** The KYC vendor: Sumsub's applicants, documents, checks and webhooks, over HTTP with its own state. */
export async function startKycVendor(config: KycVendorConfig): Promise<Listening & { readonly faults: Faults }> {
  const file = openStateFile<State>(config.dataFile, emptyState);
  const faults = createFaults();
  const requiredSteps = config.requiredSteps ?? ['IDENTITY'];
  const outbox = new WebhookOutbox({
    url: config.webhookUrl,
    faults,
    pending: () => file.value.pending,
    save: () => file.save(),
    sign: (body, spoiled) => webhookHeaders(body, spoiled ? 'another secret' : config.webhookSecret),
    ...(config.retryDelaysMs === undefined ? {} : { retryDelaysMs: config.retryDelaysMs }),
  });

  function announce(type: string, applicant: Applicant): void {
    const correlationId = randomBytes(16).toString('hex');
    const body = JSON.stringify({
      applicantId: applicant.id,
      inspectionId: applicant.inspectionId,
      applicantType: 'individual',
      correlationId,
      levelName: applicant.levelName,
      sandboxMode: true,
      externalUserId: applicant.externalUserId,
      type,
      ...(applicant.reviewResult === null ? {} : { reviewResult: applicant.reviewResult }),
      reviewStatus: applicant.reviewStatus,
      createdAtMs: vendorTimeMs(new Date()),
      clientId: 'simulator',
    });
    outbox.add({ id: correlationId, type, body });
  }

  function applicantOf(id: string): Applicant {
    const applicant = file.value.applicants[id];
    if (applicant === undefined) throw new Refusal(404, `Applicant not found: ${id}`);
    return applicant;
  }

  function decide(applicant: Applicant, outcome: Outcome): void {
    const type = applyOutcome(applicant, outcome, new Date());
    if (type !== null) announce(type, applicant);
  }

  /** Takes the next planned outcome of each applicant whose check is over. */
  async function decideDue(): Promise<void> {
    const now = Date.now();
    const due = Object.values(file.value.applicants).filter((one) => one.decideAt !== null && one.decideAt <= now);
    for (const applicant of due) {
      const planned = file.value.outcomes[applicant.externalUserId]?.shift();
      decide(applicant, planned ?? { reviewAnswer: 'GREEN', rejectLabels: [] });
    }
    if (due.length > 0) await file.save();
  }

  const app = express();
  app.disable('x-powered-by');
  app.get('/livez', (_request, response) => {
    response.json({ status: 'ok' });
  });

  app.use('/sim', express.json());
  app.all('/sim/faults', faults.handle);
  app.post('/sim/outcomes', async (request, response) => {
    const body = parse(outcomesBody, request.body);
    file.value.outcomes[body.externalUserId] = body.answers.map((answer) =>
      typeof answer === 'string' ? { reviewAnswer: answer, rejectLabels: [] } : answer,
    );
    await file.save();
    response.json({ ok: 1 });
  });
  app.get('/sim/state', (_request, response) => {
    response.json({ ...file.value, deliveries: outbox.deliveries, faults: faults.list() });
  });
  app.post('/sim/reset', async (_request, response) => {
    file.value = emptyState();
    faults.clear();
    await file.save();
    response.json({ ok: 1 });
  });

  // The signature covers the bytes as they came, so nothing is parsed before it has been checked.
  app.use('/resources', express.raw({ type: () => true, limit: '64mb' }), (request, _response, next) => {
    const problem = requestSignatureProblem(
      {
        method: request.method,
        uri: request.originalUrl,
        body: bytesOf(request),
        token: request.header('x-app-token'),
        signature: request.header('x-app-access-sig'),
        timestamp: request.header('x-app-access-ts'),
      },
      config,
      Date.now(),
    );
    next(problem === null ? undefined : new Refusal(401, problem));
  });

  app.post('/resources/applicants', faults.onRoute('POST /resources/applicants'), async (request, response) => {
    const levelName = z.string().min(1).safeParse(request.query.levelName);
    if (!levelName.success) throw new Refusal(400, 'levelName is required');
    if (config.levelNames !== null && !config.levelNames.includes(levelName.data)) {
      throw new Refusal(404, `Level '${levelName.data}' not found`);
    }
    const body = parse(createBody, jsonOf(request));
    const existing = Object.values(file.value.applicants).find((one) => one.externalUserId === body.externalUserId);
    if (existing !== undefined) {
      throw new Refusal(409, `Applicant with external user id '${body.externalUserId}' already exists: ${existing.id}`);
    }
    const now = new Date();
    const applicant: Applicant = {
      id: newApplicantId(),
      inspectionId: newApplicantId(),
      externalUserId: body.externalUserId,
      levelName: levelName.data,
      createdAt: vendorTime(now),
      fixedInfo: body.fixedInfo ?? {},
      email: body.email ?? null,
      reviewStatus: 'init',
      reviewResult: null,
      reviewId: newAttemptId(),
      attemptId: newAttemptId(),
      attemptCnt: 0,
      createDate: vendorTime(now),
      reviewDate: null,
      decideAt: null,
      documents: [],
    };
    file.value.applicants[applicant.id] = applicant;
    announce('applicantCreated', applicant);
    await file.save();
    response.status(201).json(applicantResource(applicant));
  });

  app.get('/resources/applicants/:id/one', faults.onRoute('GET /resources/applicants/:id/one'), (request, response) => {
    const external = /^-;externalUserId=(.+)$/.exec(request.params.id);
    const applicant =
      external === null
        ? applicantOf(request.params.id)
        : Object.values(file.value.applicants).find((one) => one.externalUserId === external[1]);
    if (applicant === undefined) throw new Refusal(404, 'Applicant not found');
    response.json(applicantResource(applicant));
  });

  app.post(
    '/resources/applicants/:id/info/idDoc',
    faults.onRoute('POST /resources/applicants/:id/info/idDoc'),
    async (request, response) => {
      const applicant = applicantOf(request.params.id);
      if (applicant.reviewStatus === 'pending') {
        throw new Refusal(409, 'Applicant is being checked. Adding new data is not allowed.', {
          errorCode: 1006,
          errorName: 'no-upload-verification-in-progress',
        });
      }
      if (applicant.reviewResult?.reviewRejectType === 'FINAL') {
        throw new Refusal(409, 'Applicant has received a FINAL rejection.', {
          errorCode: 1009,
          errorName: 'applicant-with-final-reject',
        });
      }
      const { metadata, content, fileName } = await multipartOf(request);
      if (content.length === 0)
        throw new Refusal(400, 'Uploaded file is empty', { errorCode: 1003, errorName: 'empty-file' });
      const sha256 = fileHash(content);
      if (applicant.documents.some((document) => document.active && document.sha256 === sha256)) {
        throw new Refusal(409, 'Duplicate document', { errorCode: 1000, errorName: 'duplicate-document' });
      }
      const imageId = String(Number.parseInt(randomBytes(4).toString('hex'), 16));
      applicant.documents.push({ imageId, ...metadata, fileName, sha256, bytes: content.length, active: true });
      await file.save();
      response.setHeader('X-Image-Id', imageId);
      response.json({ idDocType: metadata.idDocType, country: metadata.country });
    },
  );

  app.post(
    '/resources/applicants/:id/status/pending',
    faults.onRoute('POST /resources/applicants/:id/status/pending'),
    async (request, response) => {
      const applicant = applicantOf(request.params.id);
      const refusal = checkRefusal(applicant, requiredSteps);
      if (refusal !== null) throw new Refusal(409, refusal);
      startCheck(applicant, Date.now() + (config.decisionDelayMs ?? 300), new Date());
      announce('applicantPending', applicant);
      await file.save();
      response.json({ ok: 1 });
    },
  );

  app.get(
    '/resources/applicants/:id/status',
    faults.onRoute('GET /resources/applicants/:id/status'),
    (request, response) => {
      response.json(reviewOf(applicantOf(request.params.id)));
    },
  );

  app.post(
    '/resources/applicants/:id/status/testCompleted',
    faults.onRoute('POST /resources/applicants/:id/status/testCompleted'),
    async (request, response) => {
      const applicant = applicantOf(request.params.id);
      decide(applicant, parse(reviewBody, jsonOf(request)));
      await file.save();
      response.json({ ok: 1 });
    },
  );

  app.use((_request: Request, _response: Response, next: NextFunction) => next(new Refusal(404, 'Not found')));
  app.use((error: unknown, _request: Request, response: Response, _next: NextFunction) => {
    const refusal =
      error instanceof Refusal ? error : new Refusal(500, error instanceof Error ? error.message : 'failure');
    response.status(refusal.status).json({
      description: refusal.message,
      code: refusal.status,
      ...refusal.extra,
      correlationId: randomBytes(16).toString('hex'),
    });
  });

  outbox.start();
  const decisions = setInterval(() => void decideDue(), 20);
  const listening = await listen(app, config.port, config.host);
  return {
    ...listening,
    faults,
    close: async () => {
      clearInterval(decisions);
      await outbox.stop();
      await listening.close();
      await file.save();
    },
  };
}

function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new Refusal(400, z.prettifyError(parsed.error));
  return parsed.data;
}

function bytesOf(request: Request): Buffer {
  const body: unknown = request.body;
  return Buffer.isBuffer(body) ? body : Buffer.alloc(0);
}

function jsonOf(request: Request): unknown {
  try {
    return JSON.parse(bytesOf(request).toString('utf8'));
  } catch {
    throw new Refusal(400, 'Request body is not valid JSON');
  }
}

async function multipartOf(
  request: Request,
): Promise<{ metadata: { idDocType: string; country: string }; content: Buffer; fileName: string }> {
  let form: FormData;
  try {
    const type = request.header('content-type') ?? '';
    form = await new globalThis.Response(new Uint8Array(bytesOf(request)), {
      headers: { 'content-type': type },
    }).formData();
  } catch {
    throw new Refusal(400, 'Request body is not a multipart form');
  }
  const metadataText = form.get('metadata');
  const content = form.get('content');
  if (typeof metadataText !== 'string') throw new Refusal(400, 'metadata is required');
  let metadata: unknown;
  try {
    metadata = JSON.parse(metadataText);
  } catch {
    throw new Refusal(400, 'metadata is not valid JSON');
  }
  const { idDocType, country } = parse(documentMetadata, metadata);
  if (content === null || typeof content === 'string') throw new Refusal(400, 'content is required');
  return {
    metadata: { idDocType, country },
    content: Buffer.from(await content.arrayBuffer()),
    fileName: content.name,
  };
}
