import { bundleWorkflowCode, DefaultLogger, type WorkflowBundleWithSourceMap } from '@temporalio/worker';

/** Bundles every workflow once; workers of one process share the result. Measurements bring workflows of their own. */
export function bundleWorkflows(
  workflowsPath: string = require.resolve('../../workflows/index'),
): Promise<WorkflowBundleWithSourceMap> {
  return bundleWorkflowCode({
    workflowsPath,
    failureConverterPath: require.resolve('./failure-converter'),
    logger: new DefaultLogger('WARN'),
  });
}
