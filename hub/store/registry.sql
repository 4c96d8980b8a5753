-- name: community
INSERT INTO hub.community (code, name, time_zone) VALUES (%s, %s, %s)
ON CONFLICT (code) DO UPDATE SET name = excluded.name, time_zone = excluded.time_zone
RETURNING id

-- name: forget_places
DELETE FROM hub.place WHERE community_id = %s

-- name: place
INSERT INTO hub.place (community_id, path, kind, name) VALUES (%s, %s, %s, %s)

-- name: devices
SELECT id, code FROM hub.device WHERE community_id = %s

-- name: device
INSERT INTO hub.device (community_id, code, kind, profile, place, bus, name, multiplier, rollover)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (community_id, code) DO UPDATE SET kind = excluded.kind, profile = excluded.profile,
  place = excluded.place, bus = excluded.bus, name = excluded.name, multiplier = excluded.multiplier,
  rollover = excluded.rollover, removed_at = NULL

-- name: remove_devices
UPDATE hub.device SET removed_at = %s WHERE community_id = %s AND removed_at IS NULL AND NOT code = ANY (%s)

-- name: return_alarms
WITH gone AS (
  SELECT a.id, a.community_id, a.state FROM hub.alarm a JOIN hub.device d ON d.id = a.device_id
  WHERE d.community_id = %(community_id)s AND d.removed_at IS NOT NULL
    AND a.state IN ('active_unacknowledged', 'active_acknowledged')
  FOR UPDATE OF a),
moved AS (
  UPDATE hub.alarm a SET returned_at = %(now)s, changed_at = %(now)s, annunciate_at = NULL,
    returned_silently = a.suppression IS NOT NULL,
    state = CASE g.state WHEN 'active_acknowledged' THEN 'normal' ELSE 'returned_unacknowledged' END
  FROM gone g WHERE a.id = g.id
  RETURNING a.id, a.community_id, g.state AS before, a.state)
INSERT INTO hub.alarm_history (community_id, alarm_id, at, from_state, to_state, actor, note, action)
SELECT community_id, id, %(now)s, before, state, 'system', 'the device was removed', 'return' FROM moved

-- name: point
INSERT INTO hub.point (community_id, device_id, name, unit, type) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (device_id, name) DO UPDATE SET unit = excluded.unit, type = excluded.type

-- name: points
SELECT id, device_id, name FROM hub.point WHERE community_id = %s
