import { classifyBroadcastRefusal } from '../../../services/chain/rules/broadcast-refusal';

test.each([
  ['already known', 'known'],
  ['transaction already imported', 'known'],
  ['nonce too low: next nonce 5, tx nonce 4', 'nonce_used'],
  ['replacement transaction underpriced', 'rival_pending'],
  ['max fee per gas less than block base fee: address 0x…, maxFeePerGas: 1, baseFee: 7', 'fee_too_low'],
  ['transaction underpriced: tip needed 1000000000, tip permitted 1', 'fee_too_low'],
  ['insufficient funds for gas * price + value: balance 0, tx cost 21000', 'no_gas_money'],
  ['intrinsic gas too low', 'never_valid'],
  ['exceeds block gas limit', 'never_valid'],
  ['oversized data: transaction size 140000, limit 131072', 'never_valid'],
  ['socket hang up', 'unclear'],
  ['The request took too long to respond.', 'unclear'],
  ['Internal error', 'unclear'],
  ['', 'unclear'],
])('%s', (message, refusal) => {
  expect(classifyBroadcastRefusal(message)).toBe(refusal);
});
