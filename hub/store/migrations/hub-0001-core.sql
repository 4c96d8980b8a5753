-- The hub's own tables. Business tables carry community_id and forced row-level security: a session sees the
-- communities named in its setting hub.communities ('1,2'), and without the setting it sees nothing.
-- depends:

CREATE SCHEMA hub;

DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'hub_app') THEN CREATE ROLE hub_app NOLOGIN; END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'hub_ingest') THEN CREATE ROLE hub_ingest NOLOGIN; END IF;
  EXECUTE format('GRANT hub_app, hub_ingest TO %I', current_user);
END $$;

CREATE FUNCTION hub.communities() RETURNS int[] LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT string_to_array(nullif(current_setting('hub.communities', true), ''), ',')::int[] $$;

CREATE TABLE hub.community (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  code text NOT NULL UNIQUE,
  name jsonb NOT NULL,
  time_zone text NOT NULL
);

CREATE TABLE hub.place (
  community_id int NOT NULL REFERENCES hub.community,
  path text NOT NULL,
  kind text NOT NULL,
  name jsonb NOT NULL,
  PRIMARY KEY (community_id, path)
);

CREATE TABLE hub.device (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL REFERENCES hub.community,
  code text NOT NULL,
  kind text NOT NULL,
  profile text NOT NULL,
  place text NOT NULL,
  bus text NOT NULL,
  name jsonb NOT NULL,
  multiplier int NOT NULL DEFAULT 1,
  rollover bigint,
  removed_at timestamptz,
  UNIQUE (community_id, code)
);

CREATE TABLE hub.point (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL,
  device_id int NOT NULL REFERENCES hub.device,
  name text NOT NULL,
  unit text NOT NULL,
  type text NOT NULL CHECK (type IN ('gauge', 'counter', 'state')),
  UNIQUE (device_id, name)
);

CREATE TABLE hub.device_state (
  device_id int PRIMARY KEY REFERENCES hub.device,
  community_id int NOT NULL,
  state text NOT NULL CHECK (state IN ('connected', 'silent', 'offline', 'error')),
  since timestamptz NOT NULL,
  detail text NOT NULL DEFAULT ''
);

CREATE TABLE hub.rule_state (
  rule text NOT NULL,
  device_id int NOT NULL REFERENCES hub.device,
  community_id int NOT NULL,
  state jsonb NOT NULL,
  wake_at timestamptz,
  PRIMARY KEY (rule, device_id)
);

CREATE TABLE hub.rule_decision (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL,
  rule text NOT NULL,
  device_id int NOT NULL,
  at timestamptz NOT NULL,
  cause uuid,
  outcome text NOT NULL,
  reason text NOT NULL
);
CREATE INDEX ON hub.rule_decision (device_id, at);
CREATE INDEX ON hub.rule_decision (at);

-- ISA-18.2 states B, C, D and A (normal, which ends the alarm's life).
CREATE TABLE hub.alarm (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL,
  condition text NOT NULL,
  rule text NOT NULL,
  device_id int NOT NULL REFERENCES hub.device,
  priority smallint NOT NULL CHECK (priority BETWEEN 1 AND 4),
  life_safety boolean NOT NULL DEFAULT false,
  state text NOT NULL CHECK (state IN
    ('active_unacknowledged', 'active_acknowledged', 'returned_unacknowledged', 'normal')),
  title jsonb NOT NULL,
  text jsonb NOT NULL,
  procedure jsonb,
  raised_at timestamptz NOT NULL,
  returned_at timestamptz,
  acknowledged_at timestamptz,
  acknowledged_by text,
  count int NOT NULL DEFAULT 1,
  cause uuid,
  changed_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX alarm_live ON hub.alarm (community_id, condition) WHERE state <> 'normal';
CREATE INDEX ON hub.alarm (community_id, raised_at DESC, id DESC);

CREATE TABLE hub.alarm_history (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL,
  alarm_id bigint NOT NULL REFERENCES hub.alarm,
  at timestamptz NOT NULL,
  from_state text,
  to_state text NOT NULL,
  actor text NOT NULL,
  note text NOT NULL DEFAULT '',
  cause uuid
);
CREATE INDEX ON hub.alarm_history (alarm_id);

-- What a module hung on an alarm (its work order): the link both sides can follow, without a foreign key.
CREATE TABLE hub.alarm_link (
  community_id int NOT NULL,
  alarm_id bigint NOT NULL REFERENCES hub.alarm,
  kind text NOT NULL,
  reference text NOT NULL,
  PRIMARY KEY (alarm_id, kind)
);

CREATE TABLE hub.command (
  id uuid PRIMARY KEY,
  community_id int NOT NULL,
  device_id int NOT NULL REFERENCES hub.device,
  name text NOT NULL,
  reason text NOT NULL,
  requested_by text NOT NULL,
  idempotency_key text NOT NULL,
  requested_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  state text NOT NULL CHECK (state IN ('requested', 'authorised', 'sent', 'acknowledged', 'confirmed',
                                       'refused', 'expired', 'failed', 'unknown')),
  detail text NOT NULL DEFAULT '',
  proof uuid,
  changed_at timestamptz NOT NULL,
  UNIQUE (community_id, requested_by, idempotency_key)
);
CREATE INDEX ON hub.command (device_id, requested_at DESC);

CREATE TABLE hub.command_history (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL,
  command_id uuid NOT NULL REFERENCES hub.command,
  at timestamptz NOT NULL,
  state text NOT NULL,
  detail text NOT NULL DEFAULT ''
);
CREATE INDEX ON hub.command_history (command_id);

CREATE TABLE hub.dead_letter (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL,
  bus text NOT NULL,
  source text NOT NULL,
  reason text NOT NULL,
  detail text NOT NULL,
  hash bytea NOT NULL,
  raw bytea NOT NULL,
  size int NOT NULL,
  count bigint NOT NULL DEFAULT 1,
  first_at timestamptz NOT NULL,
  last_at timestamptz NOT NULL,
  retained boolean NOT NULL DEFAULT false,
  token int NOT NULL DEFAULT 0,
  replayed_at timestamptz,
  UNIQUE (community_id, bus, source, hash)
);

CREATE TABLE hub.drop_count (
  community_id int NOT NULL,
  bus text NOT NULL,
  delivery text NOT NULL,
  count bigint NOT NULL,
  last_at timestamptz NOT NULL,
  PRIMARY KEY (community_id, bus, delivery)
);

CREATE TABLE hub.account (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE,
  password_hash text NOT NULL,
  language text NOT NULL DEFAULT 'zh-CN',
  disabled boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL
);

CREATE TABLE hub.account_role (
  account_id int NOT NULL REFERENCES hub.account,
  community_id int NOT NULL REFERENCES hub.community,
  role text NOT NULL CHECK (role IN ('viewer', 'guard', 'engineer', 'finance', 'admin')),
  PRIMARY KEY (account_id, community_id)
);

CREATE TABLE hub.session (
  token_hash bytea PRIMARY KEY,
  account_id int NOT NULL REFERENCES hub.account,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL
);

CREATE TABLE hub.login_attempt (
  name text NOT NULL,
  remote text NOT NULL,
  at timestamptz NOT NULL
);
CREATE INDEX ON hub.login_attempt (name, at);
CREATE INDEX ON hub.login_attempt (remote, at);

CREATE TABLE hub.api_key (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL REFERENCES hub.community,
  name text NOT NULL,
  key_hash bytea NOT NULL UNIQUE,
  role text NOT NULL CHECK (role IN ('viewer', 'guard', 'engineer', 'finance', 'admin')),
  created_at timestamptz NOT NULL,
  created_by text NOT NULL,
  revoked_at timestamptz
);

CREATE TABLE hub.audit (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int,
  at timestamptz NOT NULL,
  actor text NOT NULL,
  action text NOT NULL,
  object text NOT NULL,
  detail jsonb NOT NULL DEFAULT '{}',
  remote text NOT NULL DEFAULT ''
);
CREATE INDEX ON hub.audit (community_id, at DESC);

CREATE FUNCTION hub.append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege'; END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON hub.audit EXECUTE FUNCTION hub.append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON hub.alarm_history EXECUTE FUNCTION hub.append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON hub.command_history EXECUTE FUNCTION hub.append_only();

-- A module calls this for each of its tables: one policy, one place.
CREATE FUNCTION hub.guard_community(target regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
  EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target);
  EXECUTE format('CREATE POLICY community ON %s USING (community_id = ANY ((SELECT hub.communities())::int[])) '
                 'WITH CHECK (community_id = ANY ((SELECT hub.communities())::int[]))', target);
END $$;

DO $$ BEGIN
  PERFORM hub.guard_community(('hub.' || name)::regclass) FROM unnest(ARRAY[
    'place', 'device', 'point', 'device_state', 'rule_state', 'rule_decision', 'alarm', 'alarm_history', 'alarm_link',
    'command', 'command_history', 'dead_letter', 'drop_count', 'audit']) AS name;
END $$;

GRANT USAGE ON SCHEMA hub TO hub_app, hub_ingest;
GRANT SELECT ON ALL TABLES IN SCHEMA hub TO hub_app, hub_ingest;
GRANT INSERT ON hub.audit, hub.alarm_history, hub.alarm_link, hub.command, hub.command_history, hub.session,
  hub.login_attempt, hub.api_key, hub.account, hub.account_role TO hub_app;
GRANT UPDATE ON hub.alarm, hub.command, hub.dead_letter, hub.account, hub.api_key TO hub_app;
GRANT DELETE ON hub.session, hub.login_attempt TO hub_app;
GRANT INSERT, UPDATE ON hub.community, hub.place, hub.device, hub.point, hub.device_state, hub.rule_state, hub.alarm,
  hub.dead_letter, hub.drop_count, hub.command TO hub_ingest;
GRANT INSERT ON hub.rule_decision, hub.alarm_history, hub.command_history, hub.audit TO hub_ingest;
GRANT DELETE ON hub.rule_state, hub.rule_decision, hub.place, hub.dead_letter, hub.login_attempt TO hub_ingest;
REVOKE SELECT ON hub.account, hub.session, hub.api_key FROM hub_ingest;

-- The job queue (procrastinate, installed before this): jobs are queued in the transaction that causes them.
DO $$
DECLARE name text;
BEGIN
  FOR name IN SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
              AND c.relname LIKE 'procrastinate%' AND c.relkind = 'r' LOOP
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON public.%I TO hub_app, hub_ingest', name);
  END LOOP;
  FOR name IN SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
              AND c.relname LIKE 'procrastinate%' AND c.relkind = 'S' LOOP
    EXECUTE format('GRANT USAGE ON SEQUENCE public.%I TO hub_app, hub_ingest', name);
  END LOOP;
END $$;
