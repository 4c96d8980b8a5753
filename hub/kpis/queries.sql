-- name: slots
SELECT floor(extract(epoch FROM at - %(since)s) / 600)::int AS slot, count(*) AS count FROM hub.annunciation
WHERE community_id = %(community_id)s AND at >= %(since)s AND at < %(until)s GROUP BY 1

-- name: actors
SELECT a.rule, a.device_id, d.code AS device, (array_agg(a.title ORDER BY a.id DESC))[1] AS title, count(*) AS count
FROM hub.annunciation n JOIN hub.alarm a ON a.id = n.alarm_id JOIN hub.device d ON d.id = a.device_id
WHERE n.community_id = %(community_id)s AND n.at >= %(since)s AND n.at < %(until)s
GROUP BY 1, 2, 3 ORDER BY count(*) DESC, a.rule, a.device_id LIMIT 10

-- name: priorities
SELECT a.priority, count(*) AS count FROM hub.annunciation n JOIN hub.alarm a ON a.id = n.alarm_id
WHERE n.community_id = %(community_id)s AND n.at >= %(since)s AND n.at < %(until)s GROUP BY 1

-- name: acknowledged
-- Each answer, from the first call it answers; the alarm's own row forgets it when it is raised again.
SELECT extract(epoch FROM h.at - min(n.at))::float8 AS seconds
FROM hub.annunciation n
CROSS JOIN LATERAL (SELECT x.id, x.at FROM hub.alarm_history x
  WHERE x.alarm_id = n.alarm_id AND x.action = 'acknowledge' AND x.at >= n.at ORDER BY x.at, x.id LIMIT 1) h
WHERE n.community_id = %(community_id)s AND n.at >= %(since)s AND n.at < %(until)s
GROUP BY h.id, h.at

-- name: counts
SELECT
  (SELECT count(*) FROM hub.alarm WHERE community_id = %(community_id)s
     AND raised_at >= %(since)s AND raised_at < %(until)s) AS raised,
  (SELECT count(DISTINCT a.id) FROM hub.annunciation n JOIN hub.alarm a ON a.id = n.alarm_id
     WHERE n.community_id = %(community_id)s AND n.at >= %(since)s AND n.at < %(until)s
       AND a.state IN ('active_unacknowledged', 'returned_unacknowledged', 'latched_unacknowledged')) AS unacknowledged,
  count(*) FILTER (WHERE active) AS standing,
  count(*) FILTER (WHERE active AND active_since <= %(until)s - interval '24 hours') AS stale,
  (SELECT count(DISTINCT condition) FROM hub.alarm WHERE community_id = %(community_id)s AND chattering
     AND (state <> 'normal' OR changed_at >= %(since)s)) AS chattering,
  count(*) FILTER (WHERE suppression = 'shelved') AS shelved,
  count(*) FILTER (WHERE suppression = 'suppressed_by_design') AS by_design,
  count(*) FILTER (WHERE suppression = 'out_of_service') AS out_of_service,
  -- Silenced without a name, a reason or an end, or past that end (five minutes are upkeep's); or by nobody who is in
  -- the audit log.
  count(*) FILTER (WHERE suppression IN ('shelved', 'out_of_service')
    AND (coalesce(suppressed_by, '') = '' OR coalesce(suppression_reason, '') = '' OR suppressed_until IS NULL
         OR suppressed_until < %(until)s - interval '5 minutes'))
  + (SELECT count(*) FROM hub.alarm_shelf s WHERE s.community_id = %(community_id)s AND s.until > %(until)s
     AND NOT EXISTS (SELECT FROM hub.audit a WHERE a.community_id = s.community_id AND a.actor = s.by
       AND a.action = 'alarm.shelve' AND a.at BETWEEN s.since - interval '1 minute' AND s.since + interval '1 minute'))
  + (SELECT count(*) FROM hub.maintenance m WHERE m.community_id = %(community_id)s AND m.ended_at IS NULL
     AND m.until > %(until)s AND NOT EXISTS (SELECT FROM hub.audit a WHERE a.community_id = m.community_id
       AND a.actor = m.planned_by AND a.action IN ('device.out_of_service', 'maintenance.plan')
       AND a.at BETWEEN m.planned_at - interval '1 minute' AND m.planned_at + interval '1 minute')) AS unauthorised
FROM (SELECT suppression, suppressed_by, suppression_reason, suppressed_until, active_since,
        state IN ('active_unacknowledged', 'active_acknowledged') AND suppression IS NULL AS active
      FROM hub.alarm WHERE community_id = %(community_id)s AND state <> 'normal') live
