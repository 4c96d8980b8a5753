-- name: keep
INSERT INTO hub.picture (id, community_id, subject, source, taken_at, received_at, sha256, width, height, body)
VALUES (%(id)s, %(community_id)s, %(subject)s, %(source)s, %(taken_at)s, %(received_at)s, %(sha256)s, %(width)s,
        %(height)s, %(body)s)
ON CONFLICT (id) DO NOTHING

-- name: known
SELECT id, subject, source, taken_at, received_at, sha256, width, height, body IS NULL AS gone FROM hub.picture
WHERE id = %(id)s AND community_id = %(community_id)s

-- name: of_subject
SELECT id, subject, source, taken_at, received_at, sha256, width, height, body IS NULL AS gone FROM hub.picture
WHERE community_id = %(community_id)s AND subject = ANY (%(subjects)s) ORDER BY taken_at, id

-- name: body
SELECT body FROM hub.picture WHERE id = %(id)s AND community_id = %(community_id)s

-- name: hold
UPDATE hub.picture SET held = true
WHERE community_id = %(community_id)s AND id = ANY (%(ids)s) AND body IS NOT NULL AND NOT held
