-- name: open
SELECT DISTINCT device_id FROM hub.alarm_snapshot
WHERE community_id = %(community_id)s AND clip_until IS NOT NULL AND clip_done_at IS NULL

-- name: give_up
UPDATE hub.alarm_snapshot SET clip_done_at = %(at)s, clip_reason = %(reason)s
WHERE community_id = %(community_id)s AND device_id = %(camera)s AND clip_until IS NOT NULL AND clip_done_at IS NULL
  AND (asked_at < %(before)s AND clip_until < %(over)s OR asked_at > %(after)s)
RETURNING alarm_id

-- name: waiting
SELECT first, today, bytes
FROM (SELECT min(asked_at) AS first FROM hub.alarm_snapshot
      WHERE community_id = %(community_id)s AND device_id = %(camera)s AND clip_until IS NOT NULL
        AND clip_done_at IS NULL AND asked_at <= %(at)s) w,
  (SELECT count(*) AS today, coalesce(sum(size), 0) AS bytes FROM hub.clip
   WHERE community_id = %(community_id)s AND received_at > %(day)s
     AND subject = (SELECT 'device:' || code FROM hub.device WHERE id = %(camera)s)) c

-- name: until
SELECT max(clip_until) AS until FROM hub.alarm_snapshot
WHERE community_id = %(community_id)s AND device_id = %(camera)s AND clip_done_at IS NULL AND asked_at <= %(until)s

-- name: answer
UPDATE hub.alarm_snapshot SET clip_done_at = %(at)s, clip_id = %(clip)s, clip_reason = %(reason)s
WHERE community_id = %(community_id)s AND device_id = %(camera)s AND clip_until IS NOT NULL AND clip_done_at IS NULL
  AND asked_at <= %(until)s
  AND (%(clip)s::uuid IS NULL OR clip_until <= %(until)s OR asked_at <= %(first)s)
RETURNING alarm_id

-- name: keep
INSERT INTO hub.clip (id, community_id, subject, begins, seconds, received_at, codec, width, height, size, sha256, body)
VALUES (%(id)s, %(community_id)s, %(subject)s, %(begins)s, %(seconds)s, %(received_at)s, %(codec)s, %(width)s,
        %(height)s, %(size)s, %(sha256)s, %(body)s)
ON CONFLICT (id) DO NOTHING

-- name: known
SELECT id, subject, begins, seconds, codec, width, height, size, sha256, body IS NULL AS gone FROM hub.clip
WHERE id = %(id)s AND community_id = %(community_id)s

-- name: part
SELECT substring(body FROM %(first)s + 1 FOR %(most)s) AS part FROM hub.clip
WHERE id = %(id)s AND community_id = %(community_id)s

-- name: hold
UPDATE hub.clip SET held = true
WHERE community_id = %(community_id)s AND id = ANY (%(ids)s) AND body IS NOT NULL AND NOT held
