-- name: see_all
SELECT set_config('hub.communities', coalesce((SELECT string_agg(id::text, ',') FROM hub.community), ''), false)

-- name: events
SELECT d.code, e.name, e.ts, e.data FROM telemetry.event e JOIN hub.device d ON d.id = e.device_id
JOIN hub.community c ON c.id = e.community_id
WHERE c.code = %(community)s AND e.ts BETWEEN %(since)s AND %(until)s
  AND NOT EXISTS (  -- what the hub itself told of a virtual device: no simulator knows of that
    SELECT FROM telemetry.frame f
    WHERE f.device_id = e.device_id AND f.ts = e.ts AND f.key = e.frame_key AND f.source = d.code)

-- name: alarms
SELECT d.code, a.rule, h.at, h.action, a.id FROM hub.alarm_history h
JOIN hub.alarm a ON a.id = h.alarm_id JOIN hub.device d ON d.id = a.device_id
JOIN hub.community c ON c.id = a.community_id
WHERE c.code = %(community)s AND h.at >= %(since)s AND h.action IN ('raise', 'return') ORDER BY h.id

-- name: samples
SELECT d.code, p.name, s.ts, s.value FROM telemetry.sample s JOIN hub.point p ON p.id = s.point_id
JOIN hub.device d ON d.id = p.device_id JOIN hub.community c ON c.id = s.community_id
WHERE c.code = %(community)s AND p.type = 'counter' AND s.ts BETWEEN %(since)s AND %(until)s
