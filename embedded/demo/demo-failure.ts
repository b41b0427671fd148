import { EmbeddedFailure } from '../failure';

/** The run did not go as it should: an answer, a state or a process was not what the next step needs. */
export class DemoFailure extends EmbeddedFailure {
  constructor(message: string) {
    super(message, 'the logs of api, worker and simulators in the folder below say what happened');
  }
}
