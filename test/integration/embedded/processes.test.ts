import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';
import { inheritedEnvironment } from '../../../embedded/config';
import { lockHolder, tryLock, unlock } from '../../../embedded/file-lock';
import { freePort, portIsFree } from '../../../embedded/free-port';
import { defaultPorts } from '../../../embedded/process-table';
import { type ProcessExit, startProcess, untilReady } from '../../../embedded/processes';
import { projectRoot } from '../../../embedded/project-root';
import { temporaryFolder } from '../../../embedded/temporary-folder';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'escudo-processes-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function start(name: string, script: string, onUnexpectedExit?: (exit: ProcessExit, lines: string) => void) {
  return startProcess({
    name,
    command: process.execPath,
    args: ['-e', script],
    env: inheritedEnvironment(),
    logFile: path.join(folder, `${name}.log`),
    ...(onUnexpectedExit === undefined ? {} : { onUnexpectedExit }),
  });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20));
}

test('a process that ends by itself is reported with its last words', async () => {
  const reported = new Promise<[ProcessExit, string]>((resolve) => {
    start('short-lived', 'console.log("first");console.error("the disk is full");process.exit(3)', (exit, lines) =>
      resolve([exit, lines]),
    );
  });
  const [exit, lines] = await reported;
  expect(exit).toEqual({ code: 3, signal: null });
  expect(lines).toContain('the disk is full');
});

test('a process that is stopped is not reported, and one that does not listen is killed', async () => {
  const reports: ProcessExit[] = [];
  const deaf = startProcess({
    name: 'deaf',
    command: process.execPath,
    args: ['-e', 'process.on("SIGTERM",()=>{});console.log("up");setInterval(()=>{},1000)'],
    env: inheritedEnvironment(),
    logFile: path.join(folder, 'deaf.log'),
    stopTimeoutMs: 200,
    onUnexpectedExit: (exit) => reports.push(exit),
  });
  await until(() => deaf.lastLogLines().includes('up'));
  expect(await deaf.stop()).toEqual({ code: null, signal: 'SIGKILL' });
  expect(deaf.isRunning()).toBe(false);
  expect(reports).toEqual([]);
});

test('stopping ends the children of a process too', async () => {
  const parent = start(
    'parent',
    'const c=require("node:child_process").spawn(process.execPath,["-e","setInterval(()=>{},1000)"]);console.log("child "+c.pid);setInterval(()=>{},1000)',
  );
  await until(() => parent.lastLogLines().includes('child '));
  const child = Number(/child (\d+)/.exec(parent.lastLogLines())?.[1]);
  expect(isAlive(child)).toBe(true);
  await parent.stop();
  await until(() => !isAlive(child));
});

test('a process that dies while starting fails the wait at once, with its log', async () => {
  const dying = start('dying', 'console.error("port taken");process.exit(1)');
  await expect(untilReady(dying, async () => false, { timeoutMs: 60_000 })).rejects.toThrow(
    /exit code 1[\s\S]*port taken/,
  );
});

test('processes do not outlive a parent that was killed', async () => {
  const script = path.join(projectRoot, 'test', 'setup', 'start-and-hang.ts');
  const parent = spawn(process.execPath, ['--import', 'tsx', script, path.join(folder, 'orphan.log')], {
    cwd: projectRoot,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const child = await new Promise<number>((resolve) =>
    parent.stdout.on('data', (data: Buffer) => resolve(Number(data.toString().trim()))),
  );
  // The watchdog is up once it has been told of the child; a kill before that is the one case nobody can catch.
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(isAlive(child)).toBe(true);
  parent.kill('SIGKILL');
  await until(() => !isAlive(child));
});

test('a lock is held by one running process, and taken over from a dead one', () => {
  const file = path.join(folder, 'lock');
  expect(tryLock(file)).toBe(true);
  expect(tryLock(file)).toBe(false);
  expect(lockHolder(file)).toBe(process.pid);
  unlock(file);
  const content = (pid: number): string => `${pid} ${hostname()}`;
  writeFileSync(file, content(2 ** 22 + 1));
  expect(lockHolder(file)).toBeNull();
  expect(tryLock(file)).toBe(true);
  expect(readFileSync(file, 'utf8')).toBe(content(process.pid));
});

test('a taken port is passed over, and no port is handed out twice', async () => {
  const first = await freePort();
  const second = await freePort(first);
  expect(second).not.toBe(first);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port: taken } = server.address() as AddressInfo;
  expect(await portIsFree(taken)).toBe(false);
  expect(await freePort(taken)).not.toBe(taken);
  await new Promise((resolve) => server.close(resolve));
});

test('no port is one that the system may give an outgoing connection before the server has started', async () => {
  // Linux gives them ports from here on, macOS from 49152.
  const outgoingFrom = 32_768;
  for (const preferred of Object.values(defaultPorts)) expect(preferred + 50).toBeLessThan(outgoingFrom);
  for (let taken = 0; taken < 50; taken += 1) expect(await freePort()).toBeLessThan(outgoingFrom);
});

test('a port that fetch refuses to call is passed over', async () => {
  await expect(fetch('http://127.0.0.1:4045/')).rejects.toMatchObject({ cause: { message: 'bad port' } });
  for (const refused of [4045, 6000, 6665]) {
    const port = await freePort(refused);
    // Nothing listens there: a call is made, and refused by the machine, not by fetch.
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
  }
});

test('a port that another running process was given is passed over before anything listens on it', async () => {
  const script = path.join(folder, 'claim-a-port.ts');
  const module = path.join(projectRoot, 'embedded', 'free-port');
  writeFileSync(
    script,
    `import { freePort } from ${JSON.stringify(module)};
     freePort().then((port) => { console.log(port); setTimeout(() => undefined, 60_000); });`,
  );
  const other = spawn(process.execPath, ['--import', 'tsx', script], { cwd: projectRoot, env: inheritedEnvironment() });
  const port = await new Promise<number>((resolve, reject) => {
    other.stdout.once('data', (line: Buffer) => resolve(Number(line.toString())));
    other.once('exit', (code) => reject(new Error(`ended with ${code}`)));
  });
  expect(await portIsFree(port)).toBe(true);
  expect(await freePort(port)).not.toBe(port);
  const ended = new Promise((resolve) => other.once('exit', resolve));
  other.kill('SIGKILL');
  await ended;
  expect(await freePort(port)).toBe(port);
});

test('a folder whose process was killed is removed with its database by the next of its kind, others stay', async () => {
  const prefix = `escudo-killed-${process.pid}-`;
  const module = path.join(projectRoot, 'embedded', 'temporary-folder');
  const script = path.join(folder, 'make-a-folder.ts');
  writeFileSync(
    script,
    `import { temporaryFolder } from ${JSON.stringify(module)};
     console.log(temporaryFolder(${JSON.stringify(prefix)})); setTimeout(() => undefined, 60_000);`,
  );
  const other = spawn(process.execPath, ['--import', 'tsx', script], { cwd: projectRoot, env: inheritedEnvironment() });
  const theirs = await new Promise<string>((resolve, reject) => {
    other.stdout.once('data', (line: Buffer) => resolve(line.toString().trim()));
    other.once('exit', (code) => reject(new Error(`ended with ${code}`)));
  });
  mkdirSync(path.join(theirs, 'postgres'));
  const beingMade = mkdtempSync(path.join(tmpdir(), prefix));
  const first = temporaryFolder(prefix);
  expect([theirs, beingMade].every((each) => existsSync(each))).toBe(true);
  const ended = new Promise((resolve) => other.once('exit', resolve));
  other.kill('SIGKILL');
  await ended;
  const second = temporaryFolder(prefix);
  expect(existsSync(theirs)).toBe(false);
  expect([beingMade, first, second].every((each) => existsSync(each))).toBe(true);
  for (const each of [beingMade, first, second]) rmSync(each, { recursive: true });
});
