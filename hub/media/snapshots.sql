-- name: asking
SELECT id, device_id FROM hub.alarm
WHERE community_id = %(community_id)s AND id = ANY (%(alarms)s) AND NOT historical AND suppression IS NULL

-- name: ask
INSERT INTO hub.alarm_snapshot (community_id, alarm_id, device_id, asked_at, clip_until)
SELECT %(community_id)s, r.alarm, r.camera, %(at)s, r.clip_until
FROM jsonb_to_recordset(%(rows)s) AS r (alarm bigint, camera int, clip_until timestamptz)
ON CONFLICT DO NOTHING

-- name: open
SELECT DISTINCT device_id FROM hub.alarm_snapshot WHERE community_id = %(community_id)s AND done_at IS NULL

-- name: give_up
UPDATE hub.alarm_snapshot SET done_at = %(at)s, reason = %(reason)s
WHERE community_id = %(community_id)s AND device_id = %(camera)s AND done_at IS NULL
  AND (asked_at < %(before)s OR asked_at > %(after)s)
RETURNING alarm_id

-- name: answer
UPDATE hub.alarm_snapshot SET done_at = %(at)s, picture_id = %(picture)s, reason = %(reason)s
WHERE community_id = %(community_id)s AND device_id = %(camera)s AND done_at IS NULL AND asked_at <= %(asked)s
RETURNING alarm_id

-- name: waiting
SELECT
  EXISTS (SELECT FROM hub.alarm_snapshot WHERE community_id = %(community_id)s AND device_id = %(camera)s
          AND done_at IS NULL AND asked_at <= %(at)s) AS waiting,
  EXISTS (SELECT FROM hub.alarm_storm WHERE community_id = %(community_id)s AND ended_at IS NULL) AS storm,
  (SELECT count(*) FROM hub.picture WHERE community_id = %(community_id)s AND taken_at > %(day)s
   AND subject = (SELECT 'device:' || code FROM hub.device WHERE id = %(camera)s)) AS today

-- name: of_alarm
SELECT s.device_id, d.code AS device, d.name AS device_name, d.place, s.asked_at, s.done_at, s.reason, s.picture_id,
  p.taken_at, p.sha256, p.width, p.height, p.id IS NOT NULL AND p.body IS NULL AS gone,
  coalesce(sha256(p.body) <> p.sha256, false) AS altered,
  s.clip_until, s.clip_done_at, s.clip_reason, s.clip_id, c.begins AS clip_begins, c.seconds AS clip_seconds,
  c.codec AS clip_codec, c.sha256 AS clip_sha256, c.size AS clip_size, c.id IS NOT NULL AND c.body IS NULL AS clip_gone
FROM hub.alarm_snapshot s JOIN hub.device d ON d.id = s.device_id LEFT JOIN hub.picture p ON p.id = s.picture_id
  LEFT JOIN hub.clip c ON c.id = s.clip_id
WHERE s.alarm_id = %(alarm)s AND s.community_id = %(community_id)s ORDER BY d.code, s.asked_at
