import type { Knex } from 'knex';
import { lockAccount } from '../accounts/account.repository';
import { inOrganization } from '../database/transaction';
import type { Processor, ProcessorCard } from '../providers/processor/port';
import { required } from '../shared/assert';
import { type CardRow, findCard, insertCardRoute, lockCard, updateCard } from './card.repository';
import { appendCardEvent } from './card-event';
import { next, processorStateFor } from './rules/card-state';

export interface AdvanceCardDeps {
  readonly knex: Knex;
  readonly processor: Processor;
}

export interface CardStep {
  /** The processor holds the card as we do: nothing is left to do. */
  readonly done: boolean;
  /** Until the next look, milliseconds. */
  readonly waitMs: number;
}

interface CardReference {
  readonly organizationId: string;
  readonly cardId: string;
}

const DONE: CardStep = { done: true, waitMs: 0 };
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 600_000;

/**
 * Does the next thing that is due for a card at the processor: has it made, once (the card's id is the idempotency key,
 * and a lost answer is followed by a search, never by a blind repetition), or tells the state that we hold it in.
 * `look` counts the looks of one workflow run, for the wait after a failure.
 */
export async function advanceCard(deps: AdvanceCardDeps, input: CardReference, look: number): Promise<CardStep> {
  const card = required(
    await inOrganization(deps.knex, input.organizationId, (trx) => findCard(trx, input.organizationId, input.cardId)),
    `card ${input.cardId}`,
  );
  return card.card_token === null ? makeCard(deps, card, look) : tellState(deps, card, card.card_token, look);
}

async function makeCard(deps: AdvanceCardDeps, card: CardRow, look: number): Promise<CardStep> {
  const found = await deps.processor.findCard(card.id);
  if (found.kind === 'ok' && found.value !== null) return recordMade(deps, card, found.value);
  if (found.kind !== 'ok') return retry(look);
  if (card.state === 'closed') return DONE;

  const made = await deps.processor.createCard({
    idempotencyKey: card.id,
    kind: card.kind,
    memo: card.memo,
    programToken: card.program_id,
  });
  switch (made.kind) {
    case 'ok':
      return recordMade(deps, card, made.value);
    case 'rejected':
      return recordRefused(deps, card, `${made.code}: ${made.detail}`);
    case 'unknown':
      return retry(look);
  }
}

async function recordMade(deps: AdvanceCardDeps, reference: CardRow, made: ProcessorCard): Promise<CardStep> {
  const { organization_id: organizationId, id: cardId } = reference;
  return inOrganization(deps.knex, organizationId, async (trx) => {
    await lockAccount(trx, organizationId, reference.account_id);
    const card = required(await lockCard(trx, organizationId, cardId), `card ${cardId}`);
    const transition = next(card.state, { kind: 'issued', cardKind: card.kind });
    const state = transition.kind === 'changed' ? transition.state : card.state;
    if (card.card_token === null) {
      const issued = await updateCard(trx, organizationId, cardId, {
        state,
        card_token: made.cardToken,
        last_four: made.lastFour,
        network: made.network,
        expiry_month: made.expiryMonth,
        expiry_year: made.expiryYear,
        processor_state: made.state,
        failure: null,
      });
      await insertCardRoute(trx, {
        vendor: card.processor,
        card_token: made.cardToken,
        organization_id: organizationId,
        card_id: cardId,
        account_id: card.account_id,
      });
      await appendCardEvent(trx, 'card.issued', issued);
    }
    return processorStateFor(state) === made.state ? DONE : { done: false, waitMs: 0 };
  });
}

async function recordRefused(deps: AdvanceCardDeps, reference: CardRow, failure: string): Promise<CardStep> {
  const { organization_id: organizationId, id: cardId } = reference;
  return inOrganization(deps.knex, organizationId, async (trx) => {
    await lockAccount(trx, organizationId, reference.account_id);
    const card = required(await lockCard(trx, organizationId, cardId), `card ${cardId}`);
    const transition = next(card.state, { kind: 'issuance_refused' });
    if (transition.kind === 'changed') {
      const closed = await updateCard(trx, organizationId, cardId, { state: transition.state, failure });
      await appendCardEvent(trx, 'card.failed', closed);
    }
    return DONE;
  });
}

async function tellState(deps: AdvanceCardDeps, card: CardRow, cardToken: string, look: number): Promise<CardStep> {
  const wanted = processorStateFor(card.state);
  if (wanted === null || wanted === card.processor_state) return DONE;
  const told = await deps.processor.setCardState(cardToken, wanted);
  // Setting a state twice does no harm, so an unknown answer is simply followed by another attempt.
  if (told.kind === 'unknown') return retry(look);
  if (told.kind === 'rejected') return recordProblem(deps, card, `${told.code}: ${told.detail}`, look);
  return inOrganization(deps.knex, card.organization_id, async (trx) => {
    await lockAccount(trx, card.organization_id, card.account_id);
    const now = await updateCard(trx, card.organization_id, card.id, {
      processor_state: told.value.state,
      failure: null,
    });
    return processorStateFor(now.state) === told.value.state ? DONE : { done: false, waitMs: 0 };
  });
}

/** The processor holds the card in another state than we do. Ours decides; the row says so until someone has looked. */
async function recordProblem(deps: AdvanceCardDeps, card: CardRow, failure: string, look: number): Promise<CardStep> {
  if (card.failure !== failure) {
    await inOrganization(deps.knex, card.organization_id, async (trx) => {
      await lockAccount(trx, card.organization_id, card.account_id);
      await updateCard(trx, card.organization_id, card.id, { failure });
    });
  }
  return retry(look);
}

function retry(look: number): CardStep {
  return { done: false, waitMs: Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(look, 12)) };
}
