import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { ParentClosePolicy, startChild, WorkflowIdReusePolicy } from '@temporalio/workflow';

/**
 * Starts a workflow that outlives this one, once: a workflow of that id that runs or has ended is left alone. Returns
 * after it was started; `ended` tells when it has ended, however that went, and null that it had been started before.
 */
export async function startOnce(
  workflowType: string,
  workflowId: string,
  input: Readonly<Record<string, string>>,
): Promise<{ readonly ended: Promise<void> } | null> {
  try {
    const child = await startChild(workflowType, {
      workflowId,
      args: [input],
      parentClosePolicy: ParentClosePolicy.ABANDON,
      workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
    });
    const ended = child.result().then(
      () => undefined,
      () => undefined,
    );
    return { ended };
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return null;
    throw error;
  }
}
