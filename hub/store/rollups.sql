-- name: zones
SELECT id, time_zone FROM hub.community

-- name: dirty
SELECT id, community_id, bucket FROM telemetry.rollup_dirty ORDER BY id LIMIT 200000

-- name: done
DELETE FROM telemetry.rollup_dirty WHERE id = ANY (%s)

-- name: changed
INSERT INTO telemetry.hour_changed (community_id, bucket) VALUES (%s, %s)

-- name: hour
INSERT INTO telemetry.sample_1h (bucket, point_id, community_id, n, vsum, vmin, vmax, vfirst, vlast)
SELECT date_bin('1 hour', ts, 'epoch'), point_id, community_id, count(*), sum(value), min(value), max(value),
  (min(ARRAY[extract(epoch FROM ts)::float8, value]))[2], (max(ARRAY[extract(epoch FROM ts)::float8, value]))[2]
FROM telemetry.sample
WHERE community_id = %(community_id)s AND ts >= %(bucket)s AND ts < %(bucket)s + interval '1 hour'
  AND quality & 9 = 0  -- neither bad nor implausible values reach an aggregate
GROUP BY 1, 2, 3
ON CONFLICT (point_id, bucket) DO UPDATE SET n = excluded.n, vsum = excluded.vsum, vmin = excluded.vmin,
  vmax = excluded.vmax, vfirst = excluded.vfirst, vlast = excluded.vlast

-- name: day
INSERT INTO telemetry.sample_1d (bucket, point_id, community_id, n, vsum, vmin, vmax, vfirst, vlast)
SELECT %(day)s, point_id, community_id, sum(n), sum(vsum), min(vmin), max(vmax),
  (min(ARRAY[extract(epoch FROM bucket)::float8, vfirst]))[2], (max(ARRAY[extract(epoch FROM bucket)::float8, vlast]))[2]
FROM telemetry.sample_1h
WHERE community_id = %(community_id)s AND bucket >= %(day)s AND bucket < %(next_day)s
GROUP BY 2, 3
ON CONFLICT (point_id, bucket) DO UPDATE SET n = excluded.n, vsum = excluded.vsum, vmin = excluded.vmin,
  vmax = excluded.vmax, vfirst = excluded.vfirst, vlast = excluded.vlast

-- name: see_all
SELECT set_config('hub.communities', coalesce((SELECT string_agg(id::text, ',') FROM hub.community), ''), true)

-- name: old_letters
DELETE FROM hub.dead_letter WHERE last_at < %s
  OR id IN (SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY community_id ORDER BY last_at DESC) AS n
                            FROM hub.dead_letter) AS ranked WHERE n > %s)

-- name: old_decisions
DELETE FROM hub.rule_decision WHERE at < %s

-- name: old_attempts
DELETE FROM hub.login_attempt WHERE at < %s

-- name: old_pictures
UPDATE hub.picture SET body = NULL WHERE received_at < %s AND body IS NOT NULL AND NOT held

-- name: old_clips
UPDATE hub.clip SET body = NULL WHERE received_at < %s AND body IS NOT NULL AND NOT held
