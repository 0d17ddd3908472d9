-- What the API and the workers may do; runs after each migration, as the owner of the tables.
\set ON_ERROR_STOP 1
BEGIN;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM narrows_api, narrows_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO narrows_api, narrows_worker;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO narrows_api, narrows_worker;
REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM narrows_api, narrows_worker;
REVOKE UPDATE, DELETE ON audit FROM narrows_api;  -- what happened, happened
-- A worker makes no keys, keeps no log of changes, and sends nothing to webhooks itself.
REVOKE ALL ON keys, audit, retention, quotas FROM narrows_worker;
REVOKE INSERT, UPDATE, DELETE ON webhooks FROM narrows_worker;
REVOKE SELECT, UPDATE, DELETE ON deliveries FROM narrows_worker;
-- It computes what was asked for: it neither uploads, nor asks, nor deletes.
REVOKE INSERT, DELETE ON models, datasets, analyses, trials FROM narrows_worker;
REVOKE DELETE ON files FROM narrows_worker;
COMMIT;
