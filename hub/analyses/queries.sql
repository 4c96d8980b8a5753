-- name: judged
SELECT hour FROM hub.analysis_hour WHERE community_id = %(community_id)s FOR UPDATE

-- name: advance
INSERT INTO hub.analysis_hour (community_id, hour) VALUES (%(community_id)s, %(hour)s)
ON CONFLICT (community_id) DO UPDATE SET hour = excluded.hour

-- name: hours
SELECT point_id, bucket, vavg, vlast FROM telemetry.hours_of(%(points)s, %(buckets)s)
