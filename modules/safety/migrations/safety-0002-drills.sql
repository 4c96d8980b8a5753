-- Drills of emergency plans, and how often each plan is to be drilled where that is not as usual. Drills are never changed.
-- depends: safety-0001-equipment

CREATE TABLE safety.drill (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL,
  plan text NOT NULL,
  day date NOT NULL,
  minutes int CHECK (minutes BETWEEN 1 AND 1440),
  people text NOT NULL,
  found text NOT NULL DEFAULT '',
  actor text NOT NULL,
  noted_at timestamptz NOT NULL,
  UNIQUE (community_id, id)
);
CREATE INDEX ON safety.drill (community_id, plan, day DESC);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON safety.drill EXECUTE FUNCTION hub.append_only();

-- `months` 0: never due.
CREATE TABLE safety.drill_interval (
  community_id int NOT NULL,
  plan text NOT NULL,
  months int NOT NULL CHECK (months BETWEEN 0 AND 24),
  PRIMARY KEY (community_id, plan)
);

DO $$ BEGIN
  PERFORM hub.guard_community('safety.drill');
  PERFORM hub.guard_community('safety.drill_interval');
END $$;
GRANT SELECT, INSERT ON safety.drill TO hub_app;
GRANT SELECT, INSERT, UPDATE ON safety.drill_interval TO hub_app;
