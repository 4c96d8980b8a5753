-- name: see_all
SELECT set_config('hub.communities', coalesce((SELECT string_agg(id::text, ',') FROM hub.community), ''), false)

-- name: frame_of_event
SELECT f.key, f.ts, f.received, f.source, f.raw, f.device_id, d.code AS device, d.kind, d.profile, d.bus,
  c.code AS community
FROM telemetry.event e JOIN telemetry.frame f ON (f.device_id, f.ts, f.key) = (e.device_id, e.ts, e.frame_key)
JOIN hub.device d ON d.id = f.device_id JOIN hub.community c ON c.id = f.community_id
WHERE e.id = %(id)s

-- name: frame_by_key
SELECT f.key, f.ts, f.received, f.source, f.raw, f.device_id, d.code AS device, d.kind, d.profile, d.bus,
  c.code AS community
FROM telemetry.frame f JOIN hub.device d ON d.id = f.device_id JOIN hub.community c ON c.id = f.community_id
WHERE f.key = %(id)s
LIMIT 1

-- name: readings
SELECT p.name, p.unit, s.value, s.quality FROM telemetry.sample s JOIN hub.point p ON p.id = s.point_id
WHERE p.device_id = %(device_id)s AND s.ts = %(ts)s AND p.name = ANY (%(points)s) ORDER BY p.name

-- name: events
SELECT id, name FROM telemetry.event WHERE device_id = %(device_id)s AND ts = %(ts)s AND frame_key = %(key)s

-- name: decisions
SELECT rule, outcome, reason FROM hub.rule_decision WHERE device_id = %(device_id)s AND cause = %(key)s ORDER BY id

-- name: alarms
SELECT a.id, h.from_state, h.to_state,
  (SELECT jsonb_object_agg(l.kind, l.reference) FROM hub.alarm_link l WHERE l.alarm_id = a.id) AS links
FROM hub.alarm_history h JOIN hub.alarm a ON a.id = h.alarm_id
WHERE a.device_id = %(device_id)s AND h.cause = %(key)s ORDER BY h.id

-- name: commands
SELECT id, name, state, requested_by FROM hub.command WHERE device_id = %(device_id)s AND proof = %(key)s
