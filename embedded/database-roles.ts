/** The roles that migrations grant to. None is a superuser, none bypasses row level security. */
export const databaseRoles = [
  'escudo_migrator',
  'escudo_app',
  'escudo_authorizer',
  'escudo_worker',
  'escudo_readonly',
] as const;

export type DatabaseRole = (typeof databaseRoles)[number];

/** One value for each role: passwords, or URLs. */
export type PerRole = Readonly<Record<DatabaseRole, string>>;

/** Builds a value for each role. */
export function perRole(value: (role: DatabaseRole) => string): PerRole {
  return {
    escudo_migrator: value('escudo_migrator'),
    escudo_app: value('escudo_app'),
    escudo_authorizer: value('escudo_authorizer'),
    escudo_worker: value('escudo_worker'),
    escudo_readonly: value('escudo_readonly'),
  };
}
