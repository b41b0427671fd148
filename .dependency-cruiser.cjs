/**
 * The dependency rule of ARCHITECTURE.md. Type-only imports count, except where a rule says otherwise.
 */
/** The ledger's words, of which the templates are made, are pure too. */
const pure = ['^services/(shared|[^/]+/rules|[^/]+/templates)/', '^services/ledger/(draft|account-refs)\\.ts$'];
const vendors = '^services/providers/[^/]+/[^/]+/';
const ports = '[/-]port\\.ts$';
const entries = '^services/(composition|api|worker|migrate)';

/** Their functions take the caller's transaction and lock or read rows that several contexts move together. */
const inOneTransaction = [
  '^services/accounts/account\\.repository\\.ts$',
  '^services/credit/loan\\.repository\\.ts$',
  '^services/funding/funding\\.repository\\.ts$',
  '^services/ledger/ledger(-report)?\\.repository\\.ts$',
  '^services/pricing/price\\.repository\\.ts$',
];

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'A cycle hides which of two files knows the other. Cycles of types alone are allowed.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'pure-stays-pure',
      comment:
        'shared/, rules/ and templates/ import each other and bignumber.js: no IO, environment, clock or vendor.',
      severity: 'error',
      from: { path: pure },
      to: { pathNot: [...pure, '^node_modules/bignumber\\.js'] },
    },
    {
      name: 'viem-only-at-the-chain',
      severity: 'error',
      from: { path: '^(services|workflows)/', pathNot: '^services/(chain|providers/custody)/' },
      to: { path: '^node_modules/viem/' },
    },
    {
      name: 'temporal-only-at-its-place',
      comment: 'services/temporal holds the only client; use cases start workflows by a port.',
      severity: 'error',
      from: { path: '^services/', pathNot: ['^services/temporal/', '^services/worker\\.ts$'] },
      to: { path: '^node_modules/@temporalio/' },
    },
    {
      name: 'express-only-in-http',
      severity: 'error',
      from: { path: '^(services|workflows)/', pathNot: ['^services/http/', '^services/(api|worker)\\.ts$'] },
      to: { path: '^node_modules/(express|helmet)/' },
    },
    {
      name: 'adapters-only-in-the-composition',
      comment: 'Only the composition names a concrete vendor; all others see its port.',
      severity: 'error',
      from: { path: '^(services|workflows)/', pathNot: [entries, vendors, '^services/providers/'] },
      to: { path: vendors, pathNot: ports },
    },
    {
      name: 'vendors-know-their-port',
      comment: 'A vendor folder translates; it knows no use case, repository or other vendor.',
      severity: 'error',
      from: { path: '^services/providers/([^/]+)/([^/]+)/' },
      to: {
        path: '^(services|workflows)/',
        pathNot: ['^services/shared/', '^services/providers/$1/$2/', ports, '^services/providers/[a-z-]+\\.ts$'],
      },
    },
    {
      name: 'chain-knows-ports',
      comment: 'The chain folder carries out calls; of the rest it knows ports, shared code and the database.',
      severity: 'error',
      from: { path: '^services/chain/' },
      to: {
        path: '^(services|workflows)/',
        pathNot: ['^services/(shared|chain|database|outbox)/', ports],
      },
    },
    {
      name: 'http-uses-use-cases',
      comment: 'Routes call use cases: they know no repository and no vendor.',
      severity: 'error',
      from: { path: '^services/http/' },
      to: { path: ['\\.repository\\.ts$', '^services/providers/[^/]+/[^/]+/'], pathNot: '^services/http/' },
    },
    {
      name: 'activities-use-use-cases',
      severity: 'error',
      from: { path: '^workflows/.*activities\\.ts$' },
      to: { path: ['\\.repository\\.ts$', '^services/providers/[^/]+/[^/]+/', '^node_modules/(viem|pg|knex)/'] },
    },
    {
      name: 'workflow-code-is-deterministic',
      comment: 'Workflow code takes @temporalio/workflow and messages as values, everything else as types only.',
      severity: 'error',
      from: { path: '^workflows/[^/]+/workflow\\.ts$' },
      to: {
        dependencyTypesNot: ['type-only'],
        pathNot: [
          '^node_modules/@temporalio/(workflow|common)/',
          '^workflows/.*messages\\.ts$',
          '^workflows/[a-z-]+\\.ts$',
        ],
      },
    },
    {
      name: 'a-repository-belongs-to-its-context',
      comment:
        'Other contexts call use cases, or read through a repository of their own. The repositories in `inOneTransaction` are ' +
        'the exception of decision 0002: money of several contexts has to commit together.',
      severity: 'error',
      from: { path: '^services/([^/]+)/', pathNot: entries },
      to: { path: '^services/[^/]+/.*\\.repository\\.ts$', pathNot: ['^services/($1|database)/', ...inOneTransaction] },
    },
    {
      name: 'production-knows-no-sandbox',
      severity: 'error',
      from: { path: '^(services|workflows|migrations)/' },
      to: { path: '^(embedded|simulators|test|bench|scripts)/' },
    },
    {
      name: 'simulators-stand-alone',
      comment: 'A simulator that shared our code with us would agree with our mistakes.',
      severity: 'error',
      from: { path: '^simulators/' },
      to: { path: '^(services|workflows|embedded|test)/' },
    },
    {
      name: 'no-undeclared-packages',
      severity: 'error',
      from: {},
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'undetermined'] },
    },
    {
      name: 'no-development-packages-in-production',
      severity: 'error',
      from: { path: '^(services|workflows|migrations)/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'everything-resolves',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: 'specify',
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|coverage)/' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      extensions: ['.ts', '.js', '.cjs', '.json'],
      conditionNames: ['node', 'require', 'import', 'default', 'types'],
    },
  },
};
