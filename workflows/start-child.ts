import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { ParentClosePolicy, startChild, WorkflowIdReusePolicy } from '@temporalio/workflow';

/**
 * Starts a workflow that outlives this one, once: a workflow of that id that runs or has ended is left alone. Returns
 * after it was started, not after it ended.
 */
export async function startOnce(
  workflowType: string,
  workflowId: string,
  input: Readonly<Record<string, string>>,
): Promise<'started' | 'already_started'> {
  try {
    await startChild(workflowType, {
      workflowId,
      args: [input],
      parentClosePolicy: ParentClosePolicy.ABANDON,
      workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
    });
    return 'started';
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return 'already_started';
    throw error;
  }
}
