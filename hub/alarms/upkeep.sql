-- name: communities
SELECT set_config('hub.communities', %(communities)s, false)

-- name: end_shelves
WITH over AS (
  DELETE FROM hub.alarm_shelf WHERE until <= %(now)s OR until > %(farthest)s RETURNING community_id, condition)
SELECT a.id FROM hub.alarm a JOIN over USING (community_id, condition)
WHERE a.suppression = 'shelved' AND a.state <> 'normal'

-- name: end_maintenance
UPDATE hub.maintenance SET ended_at = %(now)s, ended_by = 'system' WHERE ended_at IS NULL AND until <= %(now)s RETURNING id

-- name: begin_maintenance
UPDATE hub.maintenance SET begun = true WHERE ended_at IS NULL AND NOT begun AND since <= %(now)s RETURNING id

-- name: due
SELECT id FROM hub.alarm a
WHERE suppression IS NOT NULL AND state <> 'normal' AND (suppressed_until <= %(now)s
  OR suppression = 'suppressed_by_design' AND suppressed_until > %(soon)s
  OR suppression = 'shelved' AND NOT EXISTS (SELECT FROM hub.alarm_shelf s
    WHERE s.community_id = a.community_id AND s.condition = a.condition)
  OR suppression = 'out_of_service' AND NOT EXISTS (SELECT FROM hub.device d JOIN hub.maintenance m
    ON m.community_id = d.community_id AND m.ended_at IS NULL AND m.since <= %(now)s AND m.until > %(now)s
      AND (d.id = m.device_id OR d.place = m.place OR starts_with(d.place, m.place || '/'))
    WHERE d.id = a.device_id))
ORDER BY id LIMIT 2000

-- name: by_design
SELECT id FROM hub.alarm
WHERE suppression = 'suppressed_by_design' AND suppressed_until IS NULL AND state <> 'normal' ORDER BY id

-- name: orphans
SELECT DISTINCT c.parent_alarm_id FROM hub.alarm c JOIN hub.alarm p ON p.id = c.parent_alarm_id
WHERE c.suppression = 'suppressed_by_design' AND c.suppressed_until IS NULL AND c.state <> 'normal'
  AND (p.state NOT IN ('active_unacknowledged', 'active_acknowledged') OR p.suppression IN ('shelved', 'out_of_service'))

-- name: communities_asking
SELECT c FROM unnest(hub.communities()) AS c WHERE EXISTS (SELECT FROM hub.alarm
  WHERE community_id = c AND annunciate_at IS NOT NULL AND storm_id IS NULL AND NOT chattering
    AND (annunciate_at <= %(now)s OR annunciate_at > %(soon)s)) ORDER BY c

-- name: askers
SELECT id, community_id, priority, active_since, life_safety, rule, title,
  (SELECT split_part(d.place, '/', 1) FROM hub.device d WHERE d.id = device_id) AS place
FROM hub.alarm
WHERE community_id = %(community_id)s AND annunciate_at IS NOT NULL AND storm_id IS NULL
  AND (annunciate_at <= %(now)s OR annunciate_at > %(soon)s)
  AND suppression IS NULL AND NOT chattering AND state <> 'normal'
ORDER BY priority, annunciate_at LIMIT 2000 FOR UPDATE SKIP LOCKED

-- name: waiting
SELECT id, community_id, priority, active_since, life_safety FROM hub.alarm
WHERE community_id = %(community_id)s AND annunciate_at IS NOT NULL AND storm_id IS NOT NULL AND suppression IS NULL
  AND NOT chattering AND state <> 'normal' AND priority <= %(priority)s
ORDER BY priority, annunciate_at LIMIT %(slots)s FOR UPDATE SKIP LOCKED

-- name: communities_waiting
SELECT c FROM unnest(hub.communities()) AS c WHERE EXISTS (SELECT FROM hub.alarm
  WHERE community_id = c AND annunciate_at IS NOT NULL AND storm_id IS NOT NULL)

-- name: called
UPDATE hub.alarm SET annunciated_at = %(now)s, annunciate_at = NULL, changed_at = %(now)s WHERE id = ANY (%(ids)s)

-- name: refused
UPDATE hub.alarm SET storm_id = %(storm_id)s, annunciate_at = %(now)s
WHERE id = ANY (%(ids)s) AND community_id = %(community_id)s

-- name: wanting_work
SELECT community_id, id FROM hub.alarm WHERE id = ANY (%(ids)s) AND work_order AND historical AND NOT life_safety

-- name: quiet_storms
SELECT id, community_id FROM hub.alarm_storm WHERE ended_at IS NULL AND (last_at <= %(quiet)s OR last_at > %(soon)s)

-- name: end_storm
UPDATE hub.alarm_storm SET ended_at = %(now)s WHERE id = %(id)s AND ended_at IS NULL RETURNING id

-- name: stale
UPDATE hub.alarm SET annunciate_at = %(now)s
WHERE raised_at <= %(stale)s AND state IN ('active_unacknowledged', 'active_acknowledged')
  AND active_since <= %(stale)s AND coalesce(annunciated_at, active_since) <= %(stale)s
  AND suppression IS NULL AND annunciate_at IS NULL

-- name: calm
UPDATE hub.alarm SET chattering = false, changed_at = %(now)s,
  annunciate_at = CASE WHEN annunciated_at IS NULL AND suppression IS NULL AND state LIKE '%%unacknowledged'
                    AND (state = 'active_unacknowledged' OR NOT historical)
                  THEN %(now)s ELSE annunciate_at END
WHERE chattering AND state <> 'normal'
  AND (returns[cardinality(returns)] <= %(quiet)s OR returns[cardinality(returns)] > %(soon)s)
RETURNING community_id, id
