#!/bin/sh
# Creates Temporal's two databases and brings their schemas up to date. Run again, it changes nothing that is there.
set -eu

for database in temporal temporal_visibility; do
  case "$database" in
    temporal) schema=postgresql/v12/temporal ;;
    *) schema=postgresql/v12/visibility ;;
  esac
  tool="temporal-sql-tool --plugin postgres12 --endpoint $POSTGRES_SEEDS --port $DB_PORT --user $POSTGRES_USER --database $database"
  $tool create || echo "$database is there already"
  # Fails on a database that has a schema; the update below then does what is left to do.
  $tool setup-schema -v 0.0 || true
  $tool update-schema --schema-name "$schema"
done
