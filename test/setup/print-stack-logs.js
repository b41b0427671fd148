const { existsSync, readdirSync, readFileSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const path = require('node:path');

const LINES = 40;

/**
 * Shows the end of each log of a whole stack whose test failed, and leaves the logs where they are; a test that passed has
 * them removed. Where a stack puts them is said in whole-stack.ts.
 */
module.exports = class PrintStackLogs {
  onTestResult(_test, result) {
    const folder = path.join(tmpdir(), 'escudo-stack-logs', path.basename(result.testFilePath));
    if (!existsSync(folder)) return;
    if (result.numFailingTests === 0 && !result.testExecError) {
      rmSync(folder, { recursive: true, force: true });
      return;
    }
    const parts = readdirSync(folder)
      .sort()
      .map((name) => `----- ${name}\n${lastLines(path.join(folder, name))}`);
    process.stderr.write(`\nThe stack of ${result.testFilePath} kept its logs in ${folder}\n${parts.join('\n')}\n`);
  }
};

function lastLines(file) {
  return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-LINES).join('\n');
}
