-- name: alarm
SELECT a.*, d.code AS device, d.kind, d.place, d.name AS device_name,
  (SELECT jsonb_object_agg(l.kind, l.reference) FROM hub.alarm_link l WHERE l.alarm_id = a.id) AS links
FROM hub.alarm a JOIN hub.device d ON d.id = a.device_id
WHERE a.id = %(id)s AND a.community_id = %(community_id)s

-- name: community
SELECT code, name, time_zone FROM hub.community WHERE id = %(community_id)s

-- name: history
SELECT h.at, from_state, to_state, actor, h.note || coalesce(' [' || judged.by || ']', '') AS note, action, step, done,
  h.cause
FROM hub.alarm_history h JOIN hub.alarm a ON a.id = h.alarm_id
LEFT JOIN LATERAL (  -- by which pack and text the rule judged
  SELECT substring(d.reason FROM '\[([^\[\]]*)\]$') AS by FROM hub.rule_decision d
  WHERE d.device_id = a.device_id AND d.rule = a.rule AND d.outcome = 'raised'
    AND (d.cause = h.cause OR (h.cause IS NULL AND d.at = h.at))
  ORDER BY d.id LIMIT 1) AS judged ON h.action = 'raise'
WHERE h.alarm_id = %(id)s ORDER BY h.id LIMIT %(most)s

-- name: devices
SELECT id, code, kind, place, name FROM hub.device
WHERE community_id = %(community_id)s AND (id = %(device_id)s OR kind = ANY (%(everywhere)s)
  OR (kind = ANY (%(nearby)s) AND split_part(place, '/', 1) = split_part(%(place)s, '/', 1)))
ORDER BY id

-- name: events
SELECT id, ts, device_id, name, data FROM telemetry.events_between(%(devices)s, %(since)s, %(until)s, %(most)s)

-- name: commands
SELECT c.id, c.device_id, c.name, c.reason, c.requested_by, h.at, h.state, h.detail
FROM hub.command c JOIN hub.command_history h ON h.command_id = c.id
WHERE c.device_id = ANY (%(devices)s) AND c.requested_at >= %(since)s - interval '1 hour'
  AND c.requested_at < %(until)s AND h.at >= %(since)s AND h.at < %(until)s
ORDER BY h.at, h.id LIMIT %(most)s

-- name: points
SELECT id, name, unit, type FROM hub.point WHERE device_id = %(device_id)s AND community_id = %(community_id)s ORDER BY id

-- name: samples
SELECT ts, value, quality FROM telemetry.samples(%(point)s, %(since)s, %(until)s, %(most)s)

-- name: held
SELECT ts, value, quality FROM telemetry.reading_at(%(point)s, %(since)s)

-- name: frames
SELECT key, ts, source, raw FROM telemetry.frames_by_key(%(device_id)s, %(keys)s, %(since)s - interval '1 day',
                                                         %(until)s + interval '1 day')

-- name: head
SELECT seq, hash FROM hub.audit_head WHERE community_id = %(community_id)s
