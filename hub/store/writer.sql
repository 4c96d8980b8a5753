-- name: make_staging
CREATE TEMP TABLE stage_frame (ts timestamptz, received timestamptz, key uuid, device_id int, community_id int,
  token int, source text, raw bytea, alive boolean, n int, window_start timestamptz) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE stage_sample (ts timestamptz, value double precision, point_id int, community_id int,
  quality smallint) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE stage_last (point_id int, community_id int, ts timestamptz, value double precision,
  quality smallint) ON COMMIT DELETE ROWS

-- name: copy_frame
COPY telemetry.frame (ts, received, key, device_id, community_id, token, source, raw, alive) FROM STDIN (FORMAT BINARY)

-- name: stage_frame
COPY pg_temp.stage_frame FROM STDIN (FORMAT BINARY)

-- name: insert_frames
WITH fresh AS (
  INSERT INTO telemetry.frame (ts, received, key, device_id, community_id, token, source, raw, alive)
  SELECT s.ts, s.received, s.key, s.device_id, s.community_id, s.token, s.source, s.raw, s.alive
  FROM pg_temp.stage_frame s
  WHERE s.window_start IS NULL OR NOT EXISTS (
    SELECT FROM telemetry.frame f WHERE f.device_id = s.device_id AND f.key = s.key
      AND f.ts BETWEEN s.window_start AND s.received)
  ON CONFLICT DO NOTHING
  RETURNING device_id, ts, key)
SELECT s.n FROM pg_temp.stage_frame s LEFT JOIN fresh f USING (device_id, ts, key) WHERE f.key IS NULL

-- name: redelivered
SELECT EXISTS (SELECT FROM telemetry.frame f WHERE f.device_id = %s AND f.token = %s AND f.raw = %s
  AND f.ts BETWEEN %s AND %s)

-- name: copy_event
COPY telemetry.event (ts, received, id, frame_key, device_id, community_id, name, data) FROM STDIN (FORMAT BINARY)

-- name: insert_event
INSERT INTO telemetry.event (ts, received, id, frame_key, device_id, community_id, name, data)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING

-- name: copy_sample
COPY telemetry.sample (ts, value, point_id, community_id, quality) FROM STDIN (FORMAT BINARY)

-- name: stage_sample
COPY pg_temp.stage_sample FROM STDIN (FORMAT BINARY)

-- name: insert_samples
INSERT INTO telemetry.sample (ts, value, point_id, community_id, quality)
SELECT ts, value, point_id, community_id, quality FROM pg_temp.stage_sample
ON CONFLICT (point_id, ts) DO NOTHING

-- name: stage_last
COPY pg_temp.stage_last FROM STDIN (FORMAT BINARY)

-- name: upsert_last
INSERT INTO telemetry.point_last AS l (point_id, community_id, ts, value, quality)
SELECT point_id, community_id, ts, value, quality FROM pg_temp.stage_last
ON CONFLICT (point_id) DO UPDATE
SET ts = excluded.ts, value = coalesce(excluded.value, l.value), quality = excluded.quality
WHERE l.ts <= excluded.ts

-- name: set_back
UPDATE telemetry.point_last SET ts = %s WHERE ts > %s

-- name: seen
INSERT INTO telemetry.device_last (device_id, community_id, received) VALUES (%s, %s, %s)
ON CONFLICT (device_id) DO UPDATE SET received = greatest(telemetry.device_last.received, excluded.received)

-- name: dirty
INSERT INTO telemetry.rollup_dirty (community_id, bucket) VALUES (%s, %s)

-- name: device_state
INSERT INTO hub.device_state (device_id, community_id, state, since, detail) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (device_id) DO UPDATE SET state = excluded.state, since = excluded.since, detail = excluded.detail
WHERE hub.device_state.state <> excluded.state

-- name: rule_states
INSERT INTO hub.rule_state (rule, device_id, community_id, state, wake_at)
SELECT r.rule, d.id, d.community_id, r.state, r.wake_at
FROM json_to_recordset(%s) AS r (rule text, device_id int, state jsonb, wake_at timestamptz)
JOIN hub.device d ON d.id = r.device_id
ON CONFLICT (rule, device_id) DO UPDATE SET state = excluded.state, wake_at = excluded.wake_at

-- name: forget_rule_states
DELETE FROM hub.rule_state s USING json_to_recordset(%s) AS r (rule text, device_id int)
WHERE s.rule = r.rule AND s.device_id = r.device_id

-- name: rule_decisions
INSERT INTO hub.rule_decision (community_id, rule, device_id, at, cause, outcome, reason)
SELECT d.community_id, r.rule, d.id, r.at, r.cause, r.outcome, r.reason
FROM json_to_recordset(%s) AS r (n int, rule text, device_id int, at timestamptz, cause uuid, outcome text, reason text)
JOIN hub.device d ON d.id = r.device_id ORDER BY r.n

-- name: dead_letter
INSERT INTO hub.dead_letter AS d (community_id, bus, source, reason, detail, hash, raw, size, first_at, last_at, retained,
                                  token)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (community_id, bus, source, hash) DO UPDATE
SET count = d.count + 1, last_at = excluded.last_at, reason = excluded.reason, detail = excluded.detail,
  replayed_at = NULL

-- name: drop_count
INSERT INTO hub.drop_count AS d (community_id, bus, delivery, count, last_at) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (community_id, bus, delivery) DO UPDATE SET count = d.count + excluded.count, last_at = excluded.last_at

-- name: confirm_command
WITH moved AS (
  UPDATE hub.command SET state = 'confirmed', proof = %(proof)s, changed_at = %(at)s
  WHERE id = %(id)s AND state IN ('sent', 'acknowledged', 'unknown') RETURNING id, community_id)
INSERT INTO hub.command_history (community_id, command_id, at, state)
SELECT community_id, id, %(at)s, 'confirmed' FROM moved

-- name: load_last
SELECT point_id, ts, value, quality FROM telemetry.point_last

-- name: load_seen
SELECT device_id, received FROM telemetry.device_last

-- name: heard_until
INSERT INTO hub.heard_until (until) VALUES (%s) ON CONFLICT (one) DO UPDATE SET until = excluded.until

-- name: load_heard_until
SELECT until FROM hub.heard_until

-- name: load_rule_state
SELECT rule, device_id, state, wake_at FROM hub.rule_state

-- name: load_device_state
SELECT device_id, state FROM hub.device_state
