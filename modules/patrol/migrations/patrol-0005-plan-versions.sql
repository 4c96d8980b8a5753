-- Versions of the patrols that people laid over the file; the texts are in patrol.version. Of a community the newest row
-- says what is in force: its text, or (`file`) what the file says from then on.
-- depends: patrol-0004-posts

CREATE TABLE patrol.plan_version (
  community_id int NOT NULL,
  number int NOT NULL CHECK (number > 0),
  digest text NOT NULL,
  source text NOT NULL CHECK (source IN ('file', 'page', 'api')),
  author text NOT NULL,
  at timestamptz NOT NULL,
  note text NOT NULL DEFAULT '',
  PRIMARY KEY (community_id, number),
  -- Deferred: a text that is taken once more is put anew, as the newest.
  FOREIGN KEY (community_id, digest) REFERENCES patrol.version DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX ON patrol.plan_version (community_id, digest);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON patrol.plan_version
  EXECUTE FUNCTION hub.append_only();

DO $$ BEGIN PERFORM hub.guard_community('patrol.plan_version'); END $$;
GRANT SELECT, INSERT ON patrol.plan_version TO hub_app;
