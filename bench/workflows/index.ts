import { condition, setHandler } from '@temporalio/workflow';
import { decide } from '../../workflows/spend-authorization/messages';

export { spendAuthorization } from '../../workflows/spend-authorization/workflow';

const NOTHING = { outcome: 'declined', approvedAmount: { $bigint: '0' }, declineReason: 'late', balance: null };

/** The least that Update-with-Start can do: takes the same question, answers at once, and ends. */
export async function emptyAnswer(): Promise<void> {
  let answered = false;
  setHandler(decide, () => {
    answered = true;
    return NOTHING;
  });
  await condition(() => answered);
}
