-- name: judged
SELECT max(hour) AS newest FROM hub.analysis_hour WHERE community_id = %(community_id)s

-- name: kept
SELECT hour, again, found FROM hub.analysis_hour WHERE community_id = %(community_id)s ORDER BY hour

-- name: keep
INSERT INTO hub.analysis_hour (community_id, hour, found) VALUES (%(community_id)s, %(hour)s, %(found)s)
ON CONFLICT (community_id, hour) DO UPDATE SET found = excluded.found, again = false

-- name: forget
DELETE FROM hub.analysis_hour WHERE community_id = %(community_id)s AND hour < %(before)s

-- name: mark
UPDATE hub.analysis_hour SET again = true WHERE community_id = %(community_id)s AND hour = ANY (%(hours)s)

-- name: take_changed
SELECT DISTINCT bucket FROM telemetry.take_changed(%(before)s) AS bucket

-- name: any_dirty
SELECT telemetry.any_dirty(%(buckets)s) AS dirty

-- name: hours
SELECT point_id, bucket, vavg, vlast FROM telemetry.hours_of(%(points)s, %(buckets)s)
