-- An alarm that calls people again asks its cameras again: one row for each time.
-- depends: hub-0010-snapshots

ALTER TABLE hub.alarm_snapshot
  DROP CONSTRAINT alarm_snapshot_pkey, ADD PRIMARY KEY (alarm_id, device_id, asked_at);
