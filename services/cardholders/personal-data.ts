import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { open, seal } from '../encryption/sealed-box';
import type { KeyProvider } from '../providers/keys/port';

/** What identifies a person. It leaves this context only towards the KYC vendor and the fintech that sent it. */
export const personalDataShape = z.strictObject({
  firstName: z.string(),
  lastName: z.string(),
  /** `YYYY-MM-DD`. */
  dateOfBirth: z.string(),
  email: z.string(),
});

export type PersonalData = z.infer<typeof personalDataShape>;

export interface SealedPersonalData {
  readonly personal_data: Buffer;
  /** The cardholder's own data key, wrapped. Shredding it makes all that was sealed with it unreadable. */
  readonly personal_data_key: Buffer;
  readonly email_index: Buffer;
}

interface Owner {
  readonly organizationId: string;
  readonly cardholderId: string;
}

/** Encrypts a new cardholder's data under a new data key. */
export async function sealPersonalData(
  keys: KeyProvider,
  owner: Owner,
  data: PersonalData,
): Promise<SealedPersonalData> {
  const dataKey = randomBytes(32);
  const context = contextOf(owner.organizationId, 'cardholders.personal_data', owner.cardholderId);
  return {
    personal_data: seal(dataKey, Buffer.from(JSON.stringify(data)), context),
    personal_data_key: await keys.wrap(dataKey),
    email_index: await emailIndex(keys, owner.organizationId, data.email),
  };
}

export async function openPersonalData(
  keys: KeyProvider,
  owner: Owner,
  sealed: Pick<SealedPersonalData, 'personal_data' | 'personal_data_key'>,
): Promise<PersonalData> {
  const dataKey = await keys.unwrap(sealed.personal_data_key);
  const context = contextOf(owner.organizationId, 'cardholders.personal_data', owner.cardholderId);
  return personalDataShape.parse(JSON.parse(open(dataKey, sealed.personal_data, context).toString('utf8')));
}

export async function sealDocument(
  keys: KeyProvider,
  wrappedKey: Buffer,
  owner: { readonly organizationId: string; readonly documentId: string },
  content: Buffer,
): Promise<Buffer> {
  const context = contextOf(owner.organizationId, 'kyc_documents.content', owner.documentId);
  return seal(await keys.unwrap(wrappedKey), content, context);
}

export async function openDocument(
  keys: KeyProvider,
  wrappedKey: Buffer,
  owner: { readonly organizationId: string; readonly documentId: string },
  content: Buffer,
): Promise<Buffer> {
  const context = contextOf(owner.organizationId, 'kyc_documents.content', owner.documentId);
  return open(await keys.unwrap(wrappedKey), content, context);
}

/** By which a cardholder can be found by e-mail, without the e-mail. Organizations cannot compare theirs. */
export async function emailIndex(keys: KeyProvider, organizationId: string, email: string): Promise<Buffer> {
  return keys.blindIndex(`cardholders.email ${organizationId}`, email.trim().toLowerCase());
}

function contextOf(organizationId: string, column: string, row: string): string {
  return `${organizationId}\n${column}\n${row}`;
}
