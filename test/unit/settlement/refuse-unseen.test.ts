import { refuseUnseen } from '../../../services/settlement/rules/refuse-unseen';

it('takes the amount that is shown, and no other by however little', () => {
  expect(refuseUnseen('-0.40', -40n, 'the books lack')).toBeNull();
  for (const named of ['-0.41', '-0.39', '0.40', '-0.4']) {
    expect(refuseUnseen(named, -40n, 'the books lack')).toEqual({
      code: 'state_conflict',
      pointer: '/amount',
      detail: 'the books lack -0.40 now: look at it, and name that amount',
    });
  }
});
