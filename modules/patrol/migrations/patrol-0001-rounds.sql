-- Patrols: planned rounds, the evidence that guards were there, what they found. Evidence belongs to a round by its
-- time and checkpoint, not by a reference: it may come before the round is looked at, or hours after it was closed.
-- Evidence and inspections are never changed, and not deleted for 180 days, whoever asks.
-- depends: hub-0003-guarded

CREATE SCHEMA patrol;

CREATE TABLE patrol.round (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL,
  plan text NOT NULL,
  route text NOT NULL,
  device text NOT NULL,
  opens timestamptz NOT NULL,
  begins timestamptz NOT NULL,
  ends timestamptz NOT NULL,
  closes timestamptz NOT NULL,
  checkpoints text[] NOT NULL,
  spec jsonb NOT NULL,
  told text[] NOT NULL DEFAULT '{}',
  state text NOT NULL DEFAULT 'planned'
    CHECK (state IN ('planned', 'running', 'overdue', 'complete', 'late', 'incomplete', 'missed')),
  visits jsonb NOT NULL DEFAULT '[]',
  done int NOT NULL DEFAULT 0,
  flags int NOT NULL DEFAULT 0,
  people text[] NOT NULL DEFAULT '{}',
  proved_later boolean NOT NULL DEFAULT false,
  finished_at timestamptz,
  wake_at timestamptz,
  changed_at timestamptz NOT NULL,
  CHECK (opens <= begins AND begins < ends AND ends < closes),
  UNIQUE (community_id, plan, begins)
);
CREATE INDEX ON patrol.round (community_id, wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX ON patrol.round (community_id, begins DESC, id DESC);
CREATE INDEX ON patrol.round (community_id, closes);

CREATE TABLE patrol.evidence (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL,
  key text NOT NULL,
  checkpoint text NOT NULL,
  sort text NOT NULL CHECK (sort IN ('reader', 'qr', 'display', 'door', 'camera')),
  proof text NOT NULL,
  device_id int,
  weight int NOT NULL CHECK (weight BETWEEN 1 AND 100),
  at timestamptz NOT NULL,
  received timestamptz NOT NULL,
  person text NOT NULL DEFAULT '',
  card text NOT NULL DEFAULT '',
  timely boolean NOT NULL DEFAULT false,
  offline boolean NOT NULL DEFAULT false,
  doubtful boolean NOT NULL DEFAULT false,
  UNIQUE (community_id, key, checkpoint)
);
CREATE INDEX ON patrol.evidence (community_id, checkpoint, at DESC);
CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON patrol.evidence EXECUTE FUNCTION hub.append_only();
CREATE TRIGGER kept BEFORE DELETE ON patrol.evidence
  FOR EACH ROW WHEN (OLD.received > now() - interval '180 days') EXECUTE FUNCTION hub.append_only();

CREATE TABLE patrol.inspection (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL,
  key text NOT NULL,
  checkpoint text NOT NULL,
  item text NOT NULL,
  at timestamptz NOT NULL,
  received timestamptz NOT NULL,
  person text NOT NULL,
  value double precision NOT NULL,
  sensor double precision,
  sensor_at timestamptz,
  deviates boolean NOT NULL,
  uncompared boolean NOT NULL DEFAULT false,
  note text NOT NULL DEFAULT '',
  UNIQUE (community_id, key, item)
);
CREATE INDEX ON patrol.inspection (community_id, checkpoint, at DESC);
CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON patrol.inspection EXECUTE FUNCTION hub.append_only();
CREATE TRIGGER kept BEFORE DELETE ON patrol.inspection
  FOR EACH ROW WHEN (OLD.received > now() - interval '180 days') EXECUTE FUNCTION hub.append_only();

-- A display's code is taken once.
CREATE TABLE patrol.used_code (
  community_id int NOT NULL,
  nonce text NOT NULL,
  key text NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (community_id, nonce)
);

-- What codes are signed with.
CREATE TABLE patrol.signing_key (
  community_id int PRIMARY KEY,
  key bytea NOT NULL
);

-- How often the codes of a checkpoint were renewed; without a row they are of the first generation.
CREATE TABLE patrol.code_generation (
  community_id int NOT NULL,
  checkpoint text NOT NULL,
  generation int NOT NULL,
  PRIMARY KEY (community_id, checkpoint)
);

DO $$ BEGIN
  PERFORM hub.guard_community('patrol.code_generation');
  PERFORM hub.guard_community('patrol.round');
  PERFORM hub.guard_community('patrol.evidence');
  PERFORM hub.guard_community('patrol.inspection');
  PERFORM hub.guard_community('patrol.used_code');
  PERFORM hub.guard_community('patrol.signing_key');
END $$;

-- Events that were stored, but whose job has not put them away as evidence yet: it waits, runs, or died half-way.
CREATE VIEW patrol.unheard WITH (security_invoker = true) AS
SELECT (j.args ->> 'community_id')::int AS community_id, (j.args ->> 'at')::timestamptz AS at
FROM public.procrastinate_jobs j
WHERE j.task_name = 'patrol.hear' AND j.status IN ('todo', 'doing') AND NOT EXISTS (
  SELECT FROM patrol.evidence e WHERE e.community_id = (j.args ->> 'community_id')::int AND e.key = j.args ->> 'event_id');

GRANT USAGE ON SCHEMA patrol TO hub_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON patrol.round TO hub_app;
GRANT SELECT, INSERT, UPDATE ON patrol.code_generation TO hub_app;
GRANT SELECT, INSERT, DELETE ON patrol.used_code, patrol.evidence, patrol.inspection TO hub_app;
GRANT SELECT, INSERT ON patrol.signing_key TO hub_app;
GRANT SELECT ON patrol.unheard TO hub_app;
