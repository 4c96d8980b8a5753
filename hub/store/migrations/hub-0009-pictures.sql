-- Pictures: what cameras and people hand in, as pixels only.
-- depends: hub-0003-guarded

CREATE TABLE hub.picture (
  id uuid PRIMARY KEY,  -- derived from community, subject, time and the bytes given: sent again, it is the same picture
  community_id int NOT NULL REFERENCES hub.community,
  subject text NOT NULL,  -- what it belongs to: 'incident:7', 'device:cam-1'
  source text NOT NULL,  -- who or what gave it: 'user:li', 'device:cam-1'
  taken_at timestamptz NOT NULL,
  received_at timestamptz NOT NULL,
  sha256 bytea NOT NULL,  -- of body, also when that is gone
  width int NOT NULL,
  height int NOT NULL,
  body bytea,  -- JPEG; null: past its days, the row stays
  held boolean NOT NULL DEFAULT false,  -- handed out under a seal: kept for good
  CHECK (NOT held OR body IS NOT NULL)
);
ALTER TABLE hub.picture ALTER body SET STORAGE EXTERNAL;
CREATE INDEX picture_subject ON hub.picture (community_id, subject, taken_at);
CREATE INDEX picture_age ON hub.picture (received_at) WHERE body IS NOT NULL AND NOT held;

DO $$ BEGIN PERFORM hub.guard_community('hub.picture'); END $$;
GRANT SELECT, INSERT ON hub.picture TO hub_app;
GRANT UPDATE (held) ON hub.picture TO hub_app;
GRANT SELECT ON hub.picture TO hub_ingest;
GRANT UPDATE (body) ON hub.picture TO hub_ingest;
