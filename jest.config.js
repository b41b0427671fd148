/** Packages that ship ES modules only and are compiled for the tests like our own files. */
const esmPackages = ['jose', 'uuid', 'better-sse'];

const shared = {
  rootDir: __dirname,
  testEnvironment: 'node',
  transform: {
    '^.+\\.[tj]s$': [
      '@swc/jest',
      {
        jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
        module: { type: 'commonjs' },
        sourceMaps: 'inline',
      },
    ],
  },
  transformIgnorePatterns: [`/node_modules/(?!(${esmPackages.join('|')})/)`],
  moduleFileExtensions: ['ts', 'js', 'json'],
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/.escudo/'],
};

/** @type {import('jest').Config} */
module.exports = {
  // For what hangs, not for what is slow: a busy machine may take ten times as long as a quiet one.
  testTimeout: 180_000,
  // Two cores: a third process would only make the servers wait.
  maxWorkers: 2,
  reporters: ['default', '<rootDir>/test/setup/print-stack-logs.js'],
  projects: [
    { ...shared, displayName: 'unit', testMatch: ['<rootDir>/test/unit/**/*.test.ts'] },
    {
      ...shared,
      displayName: 'integration',
      testMatch: ['<rootDir>/test/{integration,contract,invariants}/**/*.test.ts'],
      globalSetup: '<rootDir>/test/setup/start-for-integration.ts',
      globalTeardown: '<rootDir>/test/setup/stop.ts',
    },
    {
      ...shared,
      displayName: 'workflows',
      testMatch: ['<rootDir>/test/workflows/**/*.test.ts'],
      globalSetup: '<rootDir>/test/setup/start-for-workflows.ts',
      globalTeardown: '<rootDir>/test/setup/stop.ts',
    },
    // Each file starts and stops a whole stack of its own, because it kills parts of it.
    { ...shared, displayName: 'e2e', testMatch: ['<rootDir>/test/e2e/**/*.test.ts'] },
  ],
};
