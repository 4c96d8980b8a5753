-- Photographs of check-ins. They belong to the evidence of the same key; the pixels are in hub.picture.
-- depends: patrol-0001-rounds hub-0009-pictures

CREATE TABLE patrol.photo (
  community_id int NOT NULL,
  id text NOT NULL,  -- drawn by the phone: sent again, it is the same one
  key text NOT NULL,
  checkpoint text NOT NULL,
  item text NOT NULL DEFAULT '',
  at timestamptz NOT NULL,  -- of the check-in
  received timestamptz NOT NULL,
  person text NOT NULL,
  picture uuid NOT NULL,
  PRIMARY KEY (community_id, id)
);
CREATE INDEX ON patrol.photo (community_id, checkpoint, at DESC);
CREATE INDEX ON patrol.photo (community_id, at DESC);
CREATE INDEX ON patrol.photo (community_id, key);
CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON patrol.photo EXECUTE FUNCTION hub.append_only();
CREATE TRIGGER kept BEFORE DELETE ON patrol.photo
  FOR EACH ROW WHEN (OLD.received > now() - interval '180 days') EXECUTE FUNCTION hub.append_only();

DO $$ BEGIN PERFORM hub.guard_community('patrol.photo'); END $$;
GRANT SELECT, INSERT, DELETE ON patrol.photo TO hub_app;
