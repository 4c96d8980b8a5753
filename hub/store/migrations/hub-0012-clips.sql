-- Clips of alarms: some seconds of a camera's stream, asked for together with its picture.
-- depends: hub-0011-snapshots-again

CREATE TABLE hub.clip (
  id uuid PRIMARY KEY,  -- derived from community, subject, begin and content
  community_id int NOT NULL REFERENCES hub.community,
  subject text NOT NULL,  -- 'device:cam-1'
  begins timestamptz NOT NULL,
  seconds real NOT NULL,
  received_at timestamptz NOT NULL,
  codec text NOT NULL,  -- h264, hevc
  width int NOT NULL,
  height int NOT NULL,
  size int NOT NULL,  -- bytes of body, also when that is gone
  sha256 bytea NOT NULL,  -- of body, also when that is gone
  body bytea,  -- MP4; null: past its days, the row stays
  held boolean NOT NULL DEFAULT false,  -- handed out under a seal: kept for good
  CHECK (NOT held OR body IS NOT NULL)
);
ALTER TABLE hub.clip ALTER body SET STORAGE EXTERNAL;  -- a part of it is read without the rest
CREATE INDEX clip_subject ON hub.clip (community_id, subject, received_at);
CREATE INDEX clip_age ON hub.clip (received_at) WHERE body IS NOT NULL AND NOT held;

ALTER TABLE hub.alarm_snapshot
  ADD clip_until timestamptz,  -- up to when the clip goes; null: the camera makes none
  ADD clip_done_at timestamptz,
  ADD clip_id uuid REFERENCES hub.clip,
  ADD clip_reason text,  -- why there is no clip
  ADD CHECK ((clip_done_at IS NOT NULL)::int = (clip_id IS NOT NULL)::int + (clip_reason IS NOT NULL)::int),
  ADD CHECK (clip_until IS NOT NULL OR clip_done_at IS NULL);
CREATE INDEX alarm_clip_open ON hub.alarm_snapshot (community_id, device_id)
  WHERE clip_until IS NOT NULL AND clip_done_at IS NULL;

DO $$ BEGIN PERFORM hub.guard_community('hub.clip'); END $$;
GRANT SELECT, INSERT ON hub.clip TO hub_app;
GRANT UPDATE (held) ON hub.clip TO hub_app;
GRANT SELECT ON hub.clip TO hub_ingest;
GRANT UPDATE (body) ON hub.clip TO hub_ingest;
GRANT UPDATE (clip_done_at, clip_id, clip_reason) ON hub.alarm_snapshot TO hub_app;
