-- name: insert
INSERT INTO hub.command (id, community_id, device_id, name, reason, requested_by, idempotency_key, requested_at,
                         expires_at, state, detail, changed_at)
VALUES (%(id)s, %(community_id)s, %(device_id)s, %(name)s, %(reason)s, %(requested_by)s, %(idempotency_key)s, %(at)s,
        %(expires_at)s, %(state)s, %(detail)s, %(at)s)
ON CONFLICT (community_id, requested_by, idempotency_key) DO NOTHING
RETURNING id

-- name: by_key
SELECT * FROM hub.command WHERE community_id = %(community_id)s AND requested_by = %(requested_by)s
  AND idempotency_key = %(idempotency_key)s

-- name: history
INSERT INTO hub.command_history (community_id, command_id, at, state, detail)
VALUES (%(community_id)s, %(id)s, %(at)s, %(state)s, %(detail)s)

-- name: lock
SELECT state FROM hub.command WHERE id = %(id)s FOR UPDATE

-- name: move
UPDATE hub.command SET state = %(state)s, detail = %(detail)s, proof = coalesce(%(proof)s, proof), changed_at = %(at)s
WHERE id = %(id)s

-- name: one
SELECT c.*, d.code AS device, d.name AS device_name FROM hub.command c JOIN hub.device d ON d.id = c.device_id
WHERE c.id = %(id)s

-- name: history_of
SELECT at, state, detail FROM hub.command_history WHERE command_id = %(id)s ORDER BY id

-- name: list
SELECT c.*, d.code AS device, d.name AS device_name FROM hub.command c JOIN hub.device d ON d.id = c.device_id
WHERE (%(device_id)s::int IS NULL OR c.device_id = %(device_id)s) AND (c.requested_at, c.id) < (%(before)s, %(before_id)s)
ORDER BY c.requested_at DESC, c.id DESC LIMIT %(limit)s

-- name: unfinished
SELECT id, community_id, state FROM hub.command
WHERE state IN ('requested', 'authorised', 'sent', 'acknowledged') FOR UPDATE
