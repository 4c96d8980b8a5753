-- Which cameras were asked for a picture when an alarm was raised, and what came of it.
-- depends: hub-0009-pictures hub-0005-alarms

CREATE TABLE hub.alarm_snapshot (
  community_id int NOT NULL REFERENCES hub.community,
  alarm_id bigint NOT NULL REFERENCES hub.alarm,
  device_id int NOT NULL REFERENCES hub.device,
  asked_at timestamptz NOT NULL,
  done_at timestamptz,  -- null: not answered yet
  picture_id uuid REFERENCES hub.picture,
  reason text,  -- why there is no picture
  PRIMARY KEY (alarm_id, device_id),
  CHECK ((done_at IS NOT NULL)::int = (picture_id IS NOT NULL)::int + (reason IS NOT NULL)::int)
);
CREATE INDEX alarm_snapshot_open ON hub.alarm_snapshot (community_id, device_id) WHERE done_at IS NULL;

DO $$ BEGIN PERFORM hub.guard_community('hub.alarm_snapshot'); END $$;
GRANT SELECT, INSERT ON hub.alarm_snapshot TO hub_app;
GRANT UPDATE (done_at, picture_id, reason) ON hub.alarm_snapshot TO hub_app;
