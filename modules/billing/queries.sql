-- name: community
SELECT code, time_zone FROM hub.community WHERE id = %(community_id)s

-- name: meters
SELECT d.id AS device_id, p.id AS point_id, d.kind, p.unit, d.multiplier, d.rollover
FROM hub.device d JOIN hub.point p ON p.device_id = d.id
WHERE d.community_id = %(community_id)s AND (d.kind, p.name) IN (SELECT * FROM unnest(%(kinds)s::text[], %(points)s::text[]))
  AND (d.removed_at IS NULL OR d.removed_at > %(start)s)
ORDER BY d.id

-- name: readings
SELECT p.id AS point_id, r.ts, r.value::text::numeric AS value, r.quality
FROM unnest(%(points)s::int[]) AS p(id) CROSS JOIN LATERAL telemetry.reading_at(p.id, %(moment)s) AS r

-- name: falls
SELECT p.id AS point_id, f.falls
FROM unnest(%(points)s::int[], %(starts)s::float8[]) AS p(id, start) CROSS JOIN LATERAL (
  SELECT count(*) FILTER (WHERE h.vfirst < h.before) + count(*) FILTER (WHERE h.vlast < h.vmax) AS falls
  FROM (SELECT r.vfirst, r.vlast, r.vmax, lag(r.vlast, 1, p.start) OVER (ORDER BY r.bucket) AS before
        FROM telemetry.hours(p.id, %(start)s, %(end)s) r) h) f
WHERE f.falls > 0

-- name: insert_tariff
INSERT INTO billing.tariff (community_id, kind, version, valid_from, unit, price)
VALUES (%(community_id)s, %(kind)s, %(version)s, %(valid_from)s, %(unit)s, %(price)s)
ON CONFLICT DO NOTHING RETURNING id

-- name: tariffs
SELECT kind, version, valid_from, unit, price FROM billing.tariff WHERE community_id = %(community_id)s
ORDER BY kind, valid_from

-- name: insert_line
INSERT INTO billing.bill_line (community_id, device_id, point_id, kind, period_start, period_end, state, reason, detail,
  quantity, unit, unit_price, tariff_version, amount_fen, start_ts, start_value, end_ts, end_value, multiplier,
  rollover, rollovers, created_at, created_by)
VALUES (%(community_id)s, %(device_id)s, %(point_id)s, %(kind)s, %(period_start)s, %(period_end)s, %(state)s,
  %(reason)s, %(detail)s, %(quantity)s, %(unit)s, %(unit_price)s, %(tariff_version)s, %(amount_fen)s, %(start_ts)s,
  %(start_value)s, %(end_ts)s, %(end_value)s, %(multiplier)s, %(rollover)s, %(rollovers)s, %(at)s, %(actor)s)
ON CONFLICT DO NOTHING RETURNING id

-- name: same_line
SELECT id FROM billing.bill_line
WHERE community_id = %(community_id)s AND device_id = %(device_id)s AND period_start = %(period_start)s
  AND period_end = %(period_end)s AND kind = %(kind)s

-- name: one
SELECT l.*, d.code AS device, d.place FROM billing.bill_line l LEFT JOIN hub.device d ON d.id = l.device_id
WHERE l.id = %(id)s AND l.community_id = %(community_id)s

-- name: list
SELECT l.*, d.code AS device, d.place FROM billing.bill_line l LEFT JOIN hub.device d ON d.id = l.device_id
WHERE l.community_id = %(community_id)s AND l.id < %(before)s
  AND (%(state)s::text IS NULL OR l.state = %(state)s)
ORDER BY l.id DESC LIMIT %(limit)s

-- name: frames
SELECT key, ts, received, source, raw FROM telemetry.frames(%(device_id)s, %(ts)s, %(ts)s, 20) ORDER BY received

-- name: newest_period
SELECT period_start, period_end, count(*) AS lines, count(*) FILTER (WHERE state = 'held') AS held,
  coalesce(sum(amount_fen), 0)::bigint AS fen
FROM billing.bill_line WHERE community_id = %(community_id)s AND (period_end, period_start) = (
  SELECT period_end, period_start FROM billing.bill_line WHERE community_id = %(community_id)s
  ORDER BY period_end DESC, period_start DESC LIMIT 1)
GROUP BY period_start, period_end
