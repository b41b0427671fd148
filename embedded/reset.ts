import { readEmbeddedConfig } from './config';
import { describeFailure } from './failure';
import { clearFolder, stackFolder } from './stack-folder';

try {
  const { dataDir } = readEmbeddedConfig();
  clearFolder(stackFolder(dataDir));
  process.stdout.write(`cleared ${dataDir}: databases, chain, simulators, keys and logs. npm start makes new ones.\n`);
} catch (error) {
  process.stderr.write(`${describeFailure(error)}\n`);
  process.exitCode = 1;
}
