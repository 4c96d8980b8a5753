-- name: put
INSERT INTO hub.report (community_id, device, key, at, body)
VALUES (%(community_id)s, %(device)s, %(key)s, %(at)s, %(body)s)
ON CONFLICT (community_id, device, key) DO NOTHING

-- name: take
SELECT id, device, at, body FROM hub.report
WHERE community_id = %(community_id)s AND NOT id = ANY (%(except)s::bigint[]) ORDER BY id LIMIT %(most)s

-- name: forget
DELETE FROM hub.report WHERE community_id = %(community_id)s AND id = ANY (%(ids)s)
