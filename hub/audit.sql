-- name: record
INSERT INTO hub.audit (community_id, at, actor, action, object, detail, remote) VALUES (%s, %s, %s, %s, %s, %s, %s)

-- name: record_many
INSERT INTO hub.audit (community_id, at, actor, action, object, detail, remote)
SELECT %s, %s, %s, %s, object, %s, %s FROM unnest(%s::text[]) AS object

-- name: see_all
SELECT set_config('hub.communities', '0' || coalesce((SELECT string_agg(',' || id::text, '') FROM hub.community), ''),
                  false)

-- name: heads
SELECT h.community_id, c.code, h.seq, h.hash, h.at
FROM hub.audit_head h LEFT JOIN hub.community c ON c.id = h.community_id ORDER BY h.community_id

-- name: links
SELECT coalesce(l.community_id, a.community_id, 0) AS chain, l.seq, l.prev_hash AS prev, l.hash, a.id,
  a.community_id AS community,
  CASE WHEN a.at >= '0001-01-01 00:00:00+00' AND a.at < '10000-01-01 00:00:00+00'
       THEN to_char(a.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') END AS at,
  a.actor, a.action, a.object, a.detail::text AS detail, a.remote
FROM hub.audit_chain l FULL JOIN hub.audit a ON a.id = l.audit_id
WHERE %(community_id)s::int IS NULL OR coalesce(l.community_id, a.community_id, 0) = %(community_id)s
ORDER BY 1, 2 NULLS LAST, a.id

-- name: seals
SELECT l.seq, l.hash, a.object, a.actor, a.at, c.code AS community, l.community_id
FROM hub.audit a JOIN hub.audit_chain l ON l.audit_id = a.id LEFT JOIN hub.community c ON c.id = l.community_id
WHERE a.action = 'alarm.evidence' AND a.detail ->> 'manifest' = %(manifest)s ORDER BY l.seq
