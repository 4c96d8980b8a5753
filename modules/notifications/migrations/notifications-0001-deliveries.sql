-- Notifications: what is to be told to whom, and how that went. Alarms are named by number, without foreign keys.
-- depends: hub-0005-alarms

CREATE SCHEMA notifications;

-- One message by one way to one recipient. `target`: channel:<id> or webhook:<id>; `person` is empty for a group.
CREATE TABLE notifications.delivery (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  uid uuid NOT NULL UNIQUE,
  community_id int NOT NULL,
  target text NOT NULL,
  event text NOT NULL,
  event_key text NOT NULL,
  alarm_id bigint,
  step int,
  person text NOT NULL DEFAULT '',
  name text NOT NULL DEFAULT '',
  address text NOT NULL DEFAULT '',
  language text NOT NULL DEFAULT 'zh-CN',
  priority smallint NOT NULL DEFAULT 4,
  life_safety boolean NOT NULL DEFAULT false,
  title text NOT NULL DEFAULT '',
  body text NOT NULL,
  happened_at timestamptz NOT NULL,
  state text NOT NULL CHECK (state IN ('queued', 'held', 'sending', 'delivered', 'rerouted', 'cancelled', 'dead')),
  combine boolean NOT NULL DEFAULT false,
  repeated boolean NOT NULL DEFAULT false,  -- it may have arrived before
  second text NOT NULL DEFAULT '' CHECK (second IN ('', 'wanted', 'tried')),  -- the second channel
  attempts int NOT NULL DEFAULT 0,
  status int,
  detail text NOT NULL DEFAULT '',
  fallback_of bigint REFERENCES notifications.delivery ON DELETE SET NULL,
  created_at timestamptz NOT NULL,
  due_at timestamptz NOT NULL,
  started_at timestamptz,
  finished_at timestamptz,
  expires_at timestamptz NOT NULL,
  acknowledged_at timestamptz,
  UNIQUE (community_id, target, person, event_key)
);
CREATE INDEX delivery_waiting ON notifications.delivery (due_at) WHERE state IN ('queued', 'held', 'sending');
CREATE INDEX delivery_dead ON notifications.delivery (community_id, target) WHERE state = 'dead';
CREATE INDEX ON notifications.delivery (community_id, target, id DESC);
CREATE INDEX ON notifications.delivery (community_id, id DESC);
CREATE INDEX ON notifications.delivery (alarm_id);
CREATE INDEX ON notifications.delivery (fallback_of);

CREATE TABLE notifications.attempt (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL,
  delivery_id bigint NOT NULL REFERENCES notifications.delivery ON DELETE CASCADE,
  target text NOT NULL,
  at timestamptz NOT NULL,
  outcome text NOT NULL CHECK (outcome IN ('delivered', 'failed')),
  status int,
  detail text NOT NULL DEFAULT '',
  leads boolean NOT NULL DEFAULT true  -- of deliveries sent as one message the first: what a rate counts
);
CREATE INDEX ON notifications.attempt (delivery_id);
CREATE INDEX ON notifications.attempt (community_id, target, at);

-- How a channel or endpoint is: failures in a row, and when it is tried again.
CREATE TABLE notifications.target (
  community_id int NOT NULL,
  target text NOT NULL,
  failures int NOT NULL DEFAULT 0,
  failing_since timestamptz,
  retry_at timestamptz,
  reported boolean NOT NULL DEFAULT false,
  delivered_at timestamptz,
  detail text NOT NULL DEFAULT '',
  PRIMARY KEY (community_id, target)
);

CREATE TABLE notifications.endpoint (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL,
  name text NOT NULL,
  url text NOT NULL,
  types text[] NOT NULL,
  secret text NOT NULL,
  previous_secret text,
  previous_until timestamptz,
  state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'paused', 'disabled', 'removed')),
  detail text NOT NULL DEFAULT '',
  created_at timestamptz NOT NULL,
  created_by text NOT NULL,
  changed_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX ON notifications.endpoint (community_id, name) WHERE state <> 'removed';

-- One annunciation of an alarm on its way up the ladder.
CREATE TABLE notifications.escalation (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL,
  alarm_id bigint NOT NULL,
  began_at timestamptz NOT NULL,
  started_at timestamptz NOT NULL,
  level int NOT NULL DEFAULT -1,
  next_at timestamptz,
  settled_at timestamptz,
  UNIQUE (community_id, alarm_id, began_at)
);
CREATE INDEX escalation_open ON notifications.escalation (next_at) WHERE settled_at IS NULL;

-- What links in messages are signed with.
CREATE TABLE notifications.signing_key (
  community_id int PRIMARY KEY,
  key bytea NOT NULL
);

DO $$ BEGIN
  PERFORM hub.guard_community(('notifications.' || name)::regclass)
  FROM unnest(ARRAY['delivery', 'attempt', 'target', 'endpoint', 'escalation', 'signing_key']) AS name;
END $$;

GRANT USAGE ON SCHEMA notifications TO hub_app;
GRANT SELECT, INSERT, UPDATE ON notifications.target, notifications.endpoint TO hub_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON notifications.delivery, notifications.escalation TO hub_app;
GRANT SELECT, INSERT ON notifications.attempt, notifications.signing_key TO hub_app;
