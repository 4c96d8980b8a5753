-- Alarms after ISA-18.2: latched states, suppression beside the state, annunciation within a budget, storms.
-- depends: hub-0003-guarded

ALTER TABLE hub.alarm DROP CONSTRAINT alarm_state_check;
ALTER TABLE hub.alarm
  ADD CONSTRAINT alarm_state_check CHECK (state IN ('normal', 'active_unacknowledged', 'active_acknowledged',
    'returned_unacknowledged', 'latched_unacknowledged', 'latched_acknowledged')),
  ADD COLUMN suppression text CHECK (suppression IN ('shelved', 'suppressed_by_design', 'out_of_service')),
  ADD COLUMN suppressed_until timestamptz,  -- null: until the parent returns
  ADD COLUMN suppressed_by text,
  ADD COLUMN suppression_reason text,
  ADD COLUMN returned_silently boolean NOT NULL DEFAULT false,  -- while suppressed: over when that ends
  ADD COLUMN parent_alarm_id bigint,
  ADD COLUMN assignee text,
  ADD COLUMN first_out boolean NOT NULL DEFAULT false,
  ADD COLUMN first_out_group text NOT NULL DEFAULT '',
  ADD COLUMN chattering boolean NOT NULL DEFAULT false,
  ADD COLUMN returns timestamptz[] NOT NULL DEFAULT '{}',  -- the newest three, across the lives of the condition
  ADD COLUMN historical boolean NOT NULL DEFAULT false,
  ADD COLUMN active_since timestamptz,
  ADD COLUMN annunciate_at timestamptz,  -- asks to annunciate from then on; null: does not ask
  ADD COLUMN annunciated_at timestamptz,  -- null: never sounded
  ADD COLUMN storm_id bigint,
  ADD COLUMN limit_value double precision,
  ADD COLUMN point text,
  ADD COLUMN cost_fen bigint,
  ADD COLUMN escalation_level int NOT NULL DEFAULT 0,
  ADD COLUMN latch boolean NOT NULL DEFAULT false,
  ADD COLUMN suppresses boolean NOT NULL DEFAULT false,
  ADD COLUMN shelvable boolean NOT NULL DEFAULT true,
  ADD COLUMN work_order boolean NOT NULL DEFAULT false;

-- Row security binds the owner too.
ALTER TABLE hub.alarm NO FORCE ROW LEVEL SECURITY;
UPDATE hub.alarm SET active_since = raised_at, annunciated_at = raised_at;
ALTER TABLE hub.alarm FORCE ROW LEVEL SECURITY;

CREATE INDEX alarm_condition ON hub.alarm (community_id, condition, id DESC);
CREATE INDEX alarm_open ON hub.alarm (community_id, raised_at DESC, id DESC) WHERE state <> 'normal';
CREATE INDEX alarm_asking ON hub.alarm (community_id, annunciate_at) WHERE annunciate_at IS NOT NULL
  AND storm_id IS NULL;
CREATE INDEX alarm_waiting ON hub.alarm (community_id, priority, annunciate_at) WHERE annunciate_at IS NOT NULL
  AND storm_id IS NOT NULL;
CREATE INDEX alarm_suppressed ON hub.alarm (community_id, suppressed_until) WHERE suppression IS NOT NULL
  AND state <> 'normal';
CREATE INDEX alarm_parents ON hub.alarm (community_id, device_id) WHERE suppresses
  AND state IN ('active_unacknowledged', 'active_acknowledged');
CREATE INDEX alarm_children ON hub.alarm (parent_alarm_id) WHERE parent_alarm_id IS NOT NULL;
CREATE INDEX alarm_chattering ON hub.alarm (community_id) WHERE chattering AND state <> 'normal';
CREATE INDEX alarm_first_out ON hub.alarm (community_id, first_out_group, active_since) WHERE first_out_group <> '';
CREATE INDEX alarm_device ON hub.alarm (device_id) WHERE state <> 'normal';

-- Both rows are written by one transaction and never deleted: 10 000 checks a second would find nothing.
ALTER TABLE hub.alarm_history
  DROP CONSTRAINT alarm_history_alarm_id_fkey,
  ADD COLUMN action text NOT NULL DEFAULT '',  -- what happened; the states may be the same before and after
  ADD COLUMN step int,  -- numbered line of the response procedure
  ADD COLUMN done boolean;

-- A shelf belongs to the condition: the alarm may end and come again within it.
CREATE TABLE hub.alarm_shelf (
  community_id int NOT NULL REFERENCES hub.community,
  condition text NOT NULL,
  since timestamptz NOT NULL,
  until timestamptz NOT NULL,
  by text NOT NULL,
  reason text NOT NULL,
  PRIMARY KEY (community_id, condition)
);

-- Devices out of service and planned maintenance of a place's subtree or a device.
CREATE TABLE hub.maintenance (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL REFERENCES hub.community,
  kind text NOT NULL CHECK (kind IN ('out_of_service', 'window')),
  device_id int REFERENCES hub.device,
  place text,
  since timestamptz NOT NULL,
  until timestamptz NOT NULL,
  reason text NOT NULL,
  work_order text,
  planned_by text NOT NULL,
  planned_at timestamptz NOT NULL,
  begun boolean NOT NULL DEFAULT false,
  ended_at timestamptz,
  ended_by text,
  CHECK ((device_id IS NULL) <> (place IS NULL)),
  CHECK (until > since)
);
CREATE INDEX maintenance_open ON hub.maintenance (community_id, since) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX maintenance_service ON hub.maintenance (device_id) WHERE kind = 'out_of_service' AND ended_at IS NULL;

CREATE TABLE hub.alarm_storm (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL REFERENCES hub.community,
  since timestamptz NOT NULL,
  last_at timestamptz NOT NULL,  -- when an alarm was last counted
  ended_at timestamptz,
  counted bigint NOT NULL DEFAULT 0,
  annunciated int NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX alarm_storm_open ON hub.alarm_storm (community_id) WHERE ended_at IS NULL;

CREATE TABLE hub.alarm_storm_group (
  community_id int NOT NULL,
  storm_id bigint NOT NULL REFERENCES hub.alarm_storm,
  rule text NOT NULL,
  place text NOT NULL,
  title jsonb NOT NULL,
  count bigint NOT NULL,
  PRIMARY KEY (storm_id, rule, place)
);

-- Every sound the desk was given: the budget is counted here, and so are the figures of the desk's load.
CREATE TABLE hub.annunciation (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL,
  at timestamptz NOT NULL,
  alarm_id bigint REFERENCES hub.alarm,
  storm_id bigint REFERENCES hub.alarm_storm,
  life_safety boolean NOT NULL DEFAULT false,
  CHECK ((alarm_id IS NULL) <> (storm_id IS NULL))
);
CREATE INDEX ON hub.annunciation (community_id, at);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON hub.annunciation EXECUTE FUNCTION hub.append_only();

DO $$ BEGIN
  PERFORM hub.guard_community(('hub.' || name)::regclass) FROM unnest(ARRAY[
    'alarm_shelf', 'maintenance', 'alarm_storm', 'alarm_storm_group', 'annunciation']) AS name;
END $$;

GRANT SELECT ON hub.alarm_shelf, hub.maintenance, hub.alarm_storm, hub.alarm_storm_group, hub.annunciation
  TO hub_app, hub_ingest;
GRANT INSERT, UPDATE, DELETE ON hub.alarm_shelf TO hub_app, hub_ingest;
GRANT INSERT, UPDATE ON hub.maintenance TO hub_app, hub_ingest;
GRANT UPDATE ON hub.alarm_link TO hub_app;
GRANT INSERT, UPDATE ON hub.alarm_storm, hub.alarm_storm_group TO hub_ingest;
GRANT INSERT ON hub.annunciation TO hub_ingest;
GRANT USAGE ON SEQUENCE hub.alarm_id_seq TO hub_ingest;
