-- Work orders. They name alarms and devices of the hub by number, without foreign keys into its tables.
-- depends: hub-0003-guarded

CREATE SCHEMA workorders;

CREATE TABLE workorders.work_order (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL,
  number text NOT NULL,
  alarm_id bigint,
  device_id int NOT NULL,
  title jsonb NOT NULL,
  priority smallint NOT NULL CHECK (priority BETWEEN 1 AND 4),
  state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'assigned', 'in_progress', 'done', 'cancelled')),
  assignee text,
  created_at timestamptz NOT NULL,
  due_at timestamptz NOT NULL,
  started_at timestamptz,
  done_at timestamptz,
  note text NOT NULL DEFAULT '',
  changed_at timestamptz NOT NULL,
  UNIQUE (community_id, number),
  UNIQUE (community_id, alarm_id)
);
CREATE INDEX ON workorders.work_order (community_id, id DESC);

CREATE TABLE workorders.history (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL,
  order_id bigint NOT NULL REFERENCES workorders.work_order,
  at timestamptz NOT NULL,
  action text NOT NULL,
  from_state text,
  to_state text NOT NULL,
  actor text NOT NULL,
  note text NOT NULL DEFAULT ''
);
CREATE INDEX ON workorders.history (order_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON workorders.history
  EXECUTE FUNCTION hub.append_only();

-- The last number given on a local day.
CREATE TABLE workorders.day_count (
  community_id int NOT NULL,
  day date NOT NULL,
  last int NOT NULL,
  PRIMARY KEY (community_id, day)
);

DO $$ BEGIN
  PERFORM hub.guard_community('workorders.work_order');
  PERFORM hub.guard_community('workorders.history');
  PERFORM hub.guard_community('workorders.day_count');
END $$;

GRANT USAGE ON SCHEMA workorders TO hub_app;
GRANT SELECT, INSERT, UPDATE ON workorders.work_order, workorders.day_count TO hub_app;
GRANT SELECT, INSERT ON workorders.history TO hub_app;
