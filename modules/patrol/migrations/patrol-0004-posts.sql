-- Rounds keep the patrol file that they began with, and who was on duty at their post when they were due.
-- depends: patrol-0003-positions

CREATE TABLE patrol.version (
  community_id int NOT NULL,
  digest text NOT NULL,  -- SHA-256 of `file`
  file jsonb NOT NULL,
  since timestamptz NOT NULL,
  PRIMARY KEY (community_id, digest)
);

ALTER TABLE patrol.round
  ADD COLUMN version text,  -- none: planned before there were versions
  ADD COLUMN post text,
  ADD COLUMN expected text[],  -- people as evidence names them; none: nobody looked yet
  ADD COLUMN expected_at timestamptz;
CREATE INDEX ON patrol.round (community_id, version);

DO $$ BEGIN PERFORM hub.guard_community('patrol.version'); END $$;
GRANT SELECT, INSERT, DELETE ON patrol.version TO hub_app;
