import type { CardholderView } from '../../cardholders/cardholder-view';
import { createCardholder } from '../../cardholders/create-cardholder';
import { listCardholders } from '../../cardholders/list-cardholders';
import { showCardholder } from '../../cardholders/show-cardholder';
import { submitKyc } from '../../cardholders/submit-kyc';
import { formatId } from '../../shared/ids';
import type { Refusal } from '../../shared/refusal';
import { ok, type Result } from '../../shared/result';
import { type AnyRoute, route } from '../route';
import type { RouteDeps } from '../route-deps';
import { countryInput, dateInput, idInput, idView, textInput, timestampView, timeZoneInput } from '../schemas/common';
import { listQuery, listView, toListView, toPageRequest } from '../schemas/list';
import { z } from '../schemas/zod';

const KYC_STATES = [
  'not_started',
  'pending',
  'in_review',
  'approved',
  'resubmission_required',
  'rejected',
  'expired',
] as const;

/** Documents arrive inside the JSON; the vendor takes files of up to 50 MB, phones' photographs need far less. */
const DOCUMENTS_LIMIT_BYTES = 12 * 1024 * 1024;
const CONTENT_TYPES = ['image/jpeg', 'image/png', 'application/pdf'] as const;

const kycView = z
  .strictObject({
    cardholder_id: idView('cardholder'),
    state: z.enum(KYC_STATES),
    submission: z.int().openapi({ description: 'How many times documents were handed in.' }),
    reasons: z
      .array(z.string())
      .openapi({ description: 'Why documents are asked for again, or the person was rejected.' }),
    message: z.string().nullable().openapi({ description: 'What to tell the cardholder about it.' }),
  })
  .openapi('Kyc');

const cardholderView = z
  .strictObject({
    id: idView('cardholder'),
    program_id: idView('program'),
    external_id: z.string().nullable(),
    first_name: z.string(),
    last_name: z.string(),
    date_of_birth: z.string(),
    email: z.string(),
    residence_country: z.string(),
    nationality: z.string(),
    time_zone: z.string(),
    kyc: kycView,
    created_at: timestampView,
    updated_at: timestampView,
  })
  .openapi('Cardholder');

function kycOf(cardholder: CardholderView): z.input<typeof kycView> {
  const { state, submission, reasons, message } = cardholder.kyc;
  return { cardholder_id: formatId('cardholder', cardholder.id), state, submission, reasons: [...reasons], message };
}

function cardholderOf(cardholder: CardholderView): z.input<typeof cardholderView> {
  return {
    id: formatId('cardholder', cardholder.id),
    program_id: formatId('program', cardholder.programId),
    external_id: cardholder.externalId,
    first_name: cardholder.firstName,
    last_name: cardholder.lastName,
    date_of_birth: cardholder.dateOfBirth,
    email: cardholder.email,
    residence_country: cardholder.residenceCountry,
    nationality: cardholder.nationality,
    time_zone: cardholder.timeZone,
    kyc: kycOf(cardholder),
    created_at: cardholder.createdAt.toISOString(),
    updated_at: cardholder.updatedAt.toISOString(),
  };
}

function viewed<View>(
  result: Result<CardholderView, Refusal>,
  view: (row: CardholderView) => View,
): Result<View, Refusal> {
  return result.ok ? ok(view(result.value)) : result;
}

const base64 = z
  .string()
  .min(1, 'must not be empty')
  .regex(/^[A-Za-z0-9+/]+={0,2}$/, 'must be base64 without line breaks')
  .transform((text) => Buffer.from(text, 'base64'))
  .openapi({ type: 'string', format: 'byte' });

const documentInput = z.strictObject({
  type: z.enum(['passport', 'id_card', 'drivers', 'proof_of_residence', 'selfie']),
  country: countryInput,
  file_name: textInput(120),
  content_type: z.enum(CONTENT_TYPES),
  content: base64,
});

const params = z.strictObject({ cardholder_id: idInput('cardholder') });
const tag = 'Cardholders';
const write = { kind: 'organization', scope: 'cardholders:write' } as const;
const read = { kind: 'organization', scope: 'read' } as const;

export function cardholderRoutes(deps: RouteDeps): AnyRoute[] {
  return [
    route({
      method: 'post',
      path: '/v1/cardholders',
      operationId: 'createCardholder',
      summary: 'Enter a person who wants a card',
      description: 'Countries that may not be served are refused before anything is stored.',
      tag,
      access: write,
      body: z.strictObject({
        program_id: idInput('program'),
        external_id: textInput(120).optional(),
        first_name: textInput(80),
        last_name: textInput(80),
        date_of_birth: dateInput,
        email: z.email('must be an e-mail address').max(254),
        residence_country: countryInput,
        nationality: countryInput,
        time_zone: timeZoneInput.default('Etc/UTC'),
      }),
      status: 201,
      view: cardholderView,
      handler: {
        kind: 'write',
        run: async (trx, { organizationId }, { body }) =>
          viewed(
            await createCardholder(trx, deps, {
              organizationId,
              programId: body.program_id,
              externalId: body.external_id,
              firstName: body.first_name,
              lastName: body.last_name,
              dateOfBirth: body.date_of_birth,
              email: body.email,
              residenceCountry: body.residence_country,
              nationality: body.nationality,
              timeZone: body.time_zone,
            }),
            cardholderOf,
          ),
      },
    }),
    route({
      method: 'get',
      path: '/v1/cardholders',
      operationId: 'listCardholders',
      summary: 'Cardholders, newest first',
      tag,
      access: read,
      query: listQuery('cardholder', {
        program_id: idInput('program').optional(),
        external_id: z.string().optional(),
        kyc_state: z.enum(KYC_STATES).optional(),
      }),
      status: 200,
      view: listView(cardholderView),
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { query }) => {
          const page = await listCardholders(trx, deps, {
            organizationId,
            programId: query.program_id,
            externalId: query.external_id,
            kycState: query.kyc_state,
            page: toPageRequest(query),
          });
          return ok(toListView(page, cardholderOf));
        },
      },
    }),
    route({
      method: 'get',
      path: '/v1/cardholders/{cardholder_id}',
      operationId: 'getCardholder',
      summary: 'A cardholder',
      tag,
      access: read,
      params,
      status: 200,
      view: cardholderView,
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { params: { cardholder_id } }) =>
          viewed(await showCardholder(trx, deps, { organizationId, cardholderId: cardholder_id }), cardholderOf),
      },
    }),
    route({
      method: 'post',
      path: '/v1/cardholders/{cardholder_id}/kyc',
      operationId: 'submitKyc',
      summary: 'Hand in documents for verification',
      description:
        'Also how documents that were asked for again are handed in. Documents are kept encrypted until the vendor holds them.',
      tag,
      access: write,
      params,
      body: z.strictObject({ documents: z.array(documentInput).min(1).max(10) }),
      bodyLimit: DOCUMENTS_LIMIT_BYTES,
      status: 202,
      view: kycView,
      handler: {
        kind: 'write',
        run: async (trx, { organizationId }, { params: { cardholder_id }, body }) =>
          viewed(
            await submitKyc(trx, deps, {
              organizationId,
              cardholderId: cardholder_id,
              documents: body.documents.map((document) => ({
                type: document.type,
                country: document.country,
                fileName: document.file_name,
                contentType: document.content_type,
                content: document.content,
              })),
            }),
            kycOf,
          ),
      },
    }),
    route({
      method: 'get',
      path: '/v1/cardholders/{cardholder_id}/kyc',
      operationId: 'getKyc',
      summary: 'How the verification stands, with reasons',
      tag,
      access: read,
      params,
      status: 200,
      view: kycView,
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { params: { cardholder_id } }) =>
          viewed(await showCardholder(trx, deps, { organizationId, cardholderId: cardholder_id }), kycOf),
      },
    }),
  ];
}
