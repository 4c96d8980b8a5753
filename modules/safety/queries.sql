-- name: lock
SELECT pg_advisory_xact_lock(hashtextextended('safety.equipment', %(community_id)s))

-- name: zone
SELECT time_zone FROM hub.community WHERE id = %(community_id)s

-- name: places
SELECT path, name FROM hub.place WHERE community_id = %(community_id)s ORDER BY path

-- name: put
INSERT INTO safety.equipment AS e (community_id, number, kind, place, spot, model, inspect, made, installed, serviced,
                                   inspected, expires, registered, inspect_due, remind_on, service_due, life_ends)
VALUES (%(community_id)s, %(number)s, %(kind)s, %(place)s, %(spot)s, %(model)s, %(inspect)s, %(made)s, %(installed)s,
        %(serviced)s, %(inspected)s, %(expires)s, %(registered)s, %(inspect_due)s, %(remind_on)s, %(service_due)s,
        %(life_ends)s)
ON CONFLICT (community_id, number) DO UPDATE SET kind = excluded.kind, place = excluded.place, spot = excluded.spot,
  model = excluded.model, inspect = excluded.inspect, made = excluded.made, installed = excluded.installed,
  serviced = excluded.serviced, inspected = excluded.inspected, expires = excluded.expires,
  registered = excluded.registered, inspect_due = excluded.inspect_due, remind_on = excluded.remind_on, service_due = excluded.service_due,
  life_ends = excluded.life_ends

-- name: renew
-- Another piece stands under this number: what was found at the one before is no longer so; its records stay.
UPDATE safety.equipment SET fault = '', faulty_since = NULL, last_at = NULL, last_by = '',
  retired_at = NULL, retired_note = ''
WHERE community_id = %(community_id)s AND id = %(id)s

-- name: stand
UPDATE safety.equipment SET inspected = %(inspected)s, serviced = %(serviced)s, fault = %(fault)s,
  faulty_since = %(faulty_since)s, last_by = CASE WHEN last_at IS DISTINCT FROM %(last_at)s THEN %(actor)s ELSE last_by END,
  last_at = %(last_at)s, inspect_due = %(inspect_due)s, remind_on = %(remind_on)s, service_due = %(service_due)s
WHERE community_id = %(community_id)s AND id = %(id)s

-- name: known
SELECT * FROM safety.equipment WHERE community_id = %(community_id)s

-- name: how_many
SELECT count(*)::int AS total FROM safety.equipment WHERE community_id = %(community_id)s

-- name: one
SELECT * FROM safety.equipment WHERE community_id = %(community_id)s AND id = %(id)s

-- name: by_number
SELECT * FROM safety.equipment WHERE community_id = %(community_id)s AND number = %(number)s

-- name: retire
UPDATE safety.equipment SET retired_at = %(at)s, retired_note = %(note)s
WHERE community_id = %(community_id)s AND id = %(id)s

-- name: add_record
INSERT INTO safety.record (community_id, equipment_id, sort, at, day, noted_at, actor, text, origin, pictures)
VALUES (%(community_id)s, %(id)s, %(sort)s, %(at)s, %(day)s, %(noted_at)s, %(actor)s, %(text)s, %(origin)s,
        %(pictures)s)
ON CONFLICT (community_id, origin) DO NOTHING
RETURNING id

-- name: record
SELECT id, equipment_id, actor, noted_at, pictures FROM safety.record WHERE community_id = %(community_id)s AND id = %(id)s

-- name: records
SELECT id, sort, at, day, noted_at, actor, text, origin IS NOT NULL AS patrol, pictures FROM safety.record
WHERE community_id = %(community_id)s AND equipment_id = %(id)s ORDER BY at DESC, id DESC LIMIT 200

-- name: figures
SELECT count(*)::int AS total, count(*) FILTER (WHERE life_ends <= %(today)s)::int AS expired,
       count(*) FILTER (WHERE faulty_since IS NOT NULL)::int AS faulty,
       count(*) FILTER (WHERE inspect_due < %(today)s)::int AS overdue,
       count(*) FILTER (WHERE service_due < %(today)s)::int AS service_overdue,
       count(*) FILTER (WHERE remind_on <= %(today)s AND inspect_due >= %(today)s)::int AS due
FROM safety.equipment WHERE community_id = %(community_id)s AND retired_at IS NULL

-- name: list
-- `state`: one of the conditions of model.py, `retired`, or null for all in use; the most urgent first.
SELECT *, count(*) OVER ()::int AS total FROM safety.equipment
WHERE community_id = %(community_id)s AND (retired_at IS NOT NULL) = (%(state)s::text IS NOT DISTINCT FROM 'retired')
  AND CASE %(state)s::text WHEN 'expired' THEN life_ends <= %(today)s WHEN 'faulty' THEN faulty_since IS NOT NULL
      WHEN 'overdue' THEN inspect_due < %(today)s WHEN 'service_overdue' THEN service_due < %(today)s
      WHEN 'due' THEN remind_on <= %(today)s AND inspect_due >= %(today)s ELSE true END
  AND (%(place)s::text IS NULL OR place = %(place)s OR starts_with(place, %(place)s || '/'))
  AND (%(words)s::text = '' OR strpos(lower(concat_ws(' ', number, spot, model)), lower(%(words)s)) > 0)
ORDER BY faulty_since IS NULL, life_ends <= %(today)s IS NOT TRUE, inspect_due, number
LIMIT %(limit)s

-- name: told
SELECT counts FROM safety.told WHERE community_id = %(community_id)s

-- name: tell
INSERT INTO safety.told (community_id, counts) VALUES (%(community_id)s, %(counts)s)
ON CONFLICT (community_id) DO UPDATE SET counts = excluded.counts

-- name: intervals
SELECT plan, months FROM safety.drill_interval WHERE community_id = %(community_id)s

-- name: set_interval
INSERT INTO safety.drill_interval (community_id, plan, months) VALUES (%(community_id)s, %(plan)s, %(months)s)
ON CONFLICT (community_id, plan) DO UPDATE SET months = excluded.months

-- name: last_drills
SELECT plan, max(day) AS day, count(*)::int AS drills FROM safety.drill WHERE community_id = %(community_id)s GROUP BY plan

-- name: drills
SELECT id, plan, day, minutes, people, found, actor, noted_at FROM safety.drill
WHERE community_id = %(community_id)s AND (%(plan)s::text IS NULL OR plan = %(plan)s)
ORDER BY day DESC, id DESC LIMIT 200

-- name: drill
SELECT id, plan, actor, noted_at FROM safety.drill WHERE community_id = %(community_id)s AND id = %(id)s

-- name: add_drill
INSERT INTO safety.drill (community_id, plan, day, minutes, people, found, actor, noted_at)
VALUES (%(community_id)s, %(plan)s, %(day)s, %(minutes)s, %(people)s, %(found)s, %(actor)s, %(at)s) RETURNING id

-- name: uses
-- The newest alarms for which a plan was shown.
SELECT a.id, a.title, a.raised_at, a.state, d.code AS device, a.device_id FROM hub.alarm a
LEFT JOIN hub.device d ON d.id = a.device_id
WHERE a.community_id = %(community_id)s AND a.rule = %(plan)s ORDER BY a.raised_at DESC, a.id DESC LIMIT 20
