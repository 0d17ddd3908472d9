#!/bin/sh
# Makes the roles of the database, none of them a superuser. The image of PostgreSQL runs it once, in a
# new volume; to run it again, or in the volume of an earlier version, is safe:
#   docker compose exec postgres sh /docker-entrypoint-initdb.d/roles.sh
#
# narrows_migrate owns the tables; narrows_api and narrows_worker get what grants.sql says.
set -eu
: "${POSTGRES_USER:?}" "${POSTGRES_DB:?}" "${MIGRATE_PASSWORD:?}" "${API_PASSWORD:?}" "${WORKER_PASSWORD:?}"

psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
\getenv database POSTGRES_DB
\getenv migrate MIGRATE_PASSWORD
\getenv api API_PASSWORD
\getenv worker WORKER_PASSWORD
SELECT format('CREATE ROLE %I LOGIN', name)
FROM unnest(ARRAY['narrows_migrate', 'narrows_api', 'narrows_worker']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
ALTER ROLE narrows_migrate NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS NOREPLICATION PASSWORD :'migrate';
ALTER ROLE narrows_api NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS NOREPLICATION PASSWORD :'api';
ALTER ROLE narrows_worker NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS NOREPLICATION PASSWORD :'worker';
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO narrows_api, narrows_worker;
ALTER DATABASE :"database" OWNER TO narrows_migrate;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO narrows_api, narrows_worker;
GRANT USAGE, CREATE ON SCHEMA public TO narrows_migrate;
-- The tables of a version before this one belong to the superuser.
SELECT format('ALTER TABLE public.%I OWNER TO narrows_migrate', tablename)
FROM pg_tables WHERE schemaname = 'public' AND tableowner <> 'narrows_migrate' \gexec
SQL
