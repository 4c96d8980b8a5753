-- name: places
SELECT path, kind, name FROM hub.place ORDER BY path

-- name: devices
SELECT d.id, d.code, d.kind, d.profile, d.place, d.bus, d.name, d.multiplier, s.state, s.since, s.detail,
  (SELECT count(*) FROM hub.alarm a WHERE a.device_id = d.id AND a.state <> 'normal') AS alarms
FROM hub.device d LEFT JOIN hub.device_state s ON s.device_id = d.id
WHERE d.removed_at IS NULL AND d.community_id = %(community_id)s AND d.code > %(after)s
ORDER BY d.code LIMIT %(limit)s

-- name: device
SELECT d.id, d.code, d.kind, d.profile, d.place, d.bus, d.name, d.multiplier, s.state, s.since, s.detail,
  (SELECT count(*) FROM hub.alarm a WHERE a.device_id = d.id AND a.state <> 'normal') AS alarms
FROM hub.device d LEFT JOIN hub.device_state s ON s.device_id = d.id
WHERE d.id = %(id)s AND d.community_id = %(community_id)s

-- name: some_devices
SELECT d.id, d.code, d.kind, d.profile, d.place, d.bus, d.name, d.multiplier, s.state, s.since, s.detail,
  (SELECT count(*) FROM hub.alarm a WHERE a.device_id = d.id AND a.state <> 'normal') AS alarms
FROM hub.device d LEFT JOIN hub.device_state s ON s.device_id = d.id
WHERE d.removed_at IS NULL AND d.id = ANY (%(ids)s) AND d.community_id = %(community_id)s
ORDER BY d.place, d.code

-- name: some_points
SELECT id, device_id, name, unit, type FROM hub.point
WHERE device_id = ANY (%(ids)s) AND community_id = %(community_id)s ORDER BY id

-- name: some_events
SELECT e.id, e.ts, e.received, e.device_id, e.name, e.data, d.code AS device, d.kind, d.place, d.name AS device_name
FROM hub.device d CROSS JOIN LATERAL telemetry.events(d.id, %(before)s, %(before_id)s, %(limit)s) e
WHERE d.id = ANY (%(ids)s) AND d.community_id = %(community_id)s
ORDER BY e.ts DESC, e.id DESC

-- name: seen
SELECT device_id, received FROM telemetry.seen(%(ids)s)

-- name: points
SELECT id, device_id, name, unit, type FROM hub.point
WHERE device_id = %(device_id)s AND community_id = %(community_id)s ORDER BY id

-- name: point
SELECT p.id, p.device_id, p.name, p.unit, p.type, d.code AS device FROM hub.point p
JOIN hub.device d ON d.id = p.device_id
WHERE p.id = %(id)s AND p.community_id = %(community_id)s

-- name: last_values
SELECT point_id, ts, value, quality FROM telemetry.last_values(%(ids)s)

-- name: samples
SELECT ts, value, quality FROM telemetry.samples(%(id)s, %(since)s, %(until)s, %(most)s)

-- name: before
SELECT ts, value, quality FROM telemetry.reading_at(%(id)s, %(since)s)

-- name: hours
SELECT bucket AS ts, vavg, vmin, vmax, vlast FROM telemetry.hours(%(id)s, %(since)s, %(until)s)

-- name: days
SELECT bucket AS ts, vavg, vmin, vmax, vlast FROM telemetry.days(%(id)s, %(since)s, %(until)s)

-- name: events
SELECT e.id, e.ts, e.received, e.device_id, e.name, e.data, d.code AS device, d.kind, d.place, d.name AS device_name
FROM telemetry.events(%(device_id)s, %(before)s, %(before_id)s, %(limit)s) e
JOIN hub.device d ON d.id = e.device_id AND d.community_id = %(community_id)s
ORDER BY e.ts DESC, e.id DESC

-- name: frames
SELECT key, ts, received, source, raw FROM telemetry.frames(%(device_id)s, %(since)s, %(until)s, %(limit)s)

-- name: dead_letters
SELECT id, bus, source, reason, detail, size, count, first_at, last_at, replayed_at FROM hub.dead_letter
WHERE community_id = %(community_id)s AND (last_at, id) < (%(before)s, %(before_id)s)
ORDER BY last_at DESC, id DESC LIMIT %(limit)s

-- name: dead_letter
SELECT id, bus, source, reason, detail, size, count, first_at, last_at, replayed_at, raw,
  encode(hash, 'hex') AS hash
FROM hub.dead_letter WHERE id = %(id)s AND community_id = %(community_id)s

-- name: counts
SELECT
  (SELECT count(*) FROM hub.device WHERE removed_at IS NULL AND community_id = %(community_id)s) AS devices,
  (SELECT count(*) FROM hub.device_state s JOIN hub.device d ON d.id = s.device_id
   WHERE d.removed_at IS NULL AND s.state <> 'connected' AND s.community_id = %(community_id)s) AS not_connected,
  (SELECT count(*) FROM hub.alarm WHERE state <> 'normal' AND suppression IS NULL
     AND community_id = %(community_id)s) AS live_alarms,
  (SELECT count(*) FROM hub.alarm WHERE state LIKE '%%unacknowledged' AND suppression IS NULL
     AND community_id = %(community_id)s) AS unacknowledged,
  (SELECT count(*) FROM hub.alarm WHERE raised_at > %(rate_since)s AND community_id = %(community_id)s) AS alarm_rate,
  (SELECT count(*) FROM hub.dead_letter WHERE replayed_at IS NULL AND community_id = %(community_id)s) AS dead_letters,
  (SELECT coalesce(sum(count), 0)::bigint FROM hub.drop_count WHERE community_id = %(community_id)s) AS drops

-- name: drops
SELECT bus, delivery, count, last_at FROM hub.drop_count WHERE community_id = %(community_id)s ORDER BY bus, delivery

-- name: audit
SELECT id, at, actor, action, object, detail, remote FROM hub.audit
WHERE community_id = %(community_id)s AND (at, id) < (%(before)s, %(before_id)s)
ORDER BY at DESC, id DESC LIMIT %(limit)s
