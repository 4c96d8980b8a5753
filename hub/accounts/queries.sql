-- name: insert_account
INSERT INTO hub.account (name, password_hash, language, created_at)
VALUES (%(name)s, %(password_hash)s, %(language)s, %(at)s)
ON CONFLICT (name) DO NOTHING RETURNING id

-- name: grant_role
INSERT INTO hub.account_role (account_id, community_id, role) VALUES (%(account_id)s, %(community_id)s, %(role)s)

-- name: account
SELECT id, name, password_hash, disabled FROM hub.account WHERE name = %(name)s

-- name: rehash
UPDATE hub.account SET password_hash = %(password_hash)s WHERE id = %(id)s

-- name: set_language
UPDATE hub.account SET language = %(language)s WHERE name = %(name)s

-- name: lock_attempts
SELECT pg_advisory_xact_lock(hashtextextended(subject, 7)) FROM unnest(%(subjects)s::text[]) AS subject

-- name: forget_attempts
DELETE FROM hub.login_attempt WHERE (name = %(name)s OR remote = %(remote)s) AND at <= %(since)s

-- name: attempts
SELECT (SELECT count(*) FROM hub.login_attempt WHERE name = %(name)s AND at > %(since)s) AS by_name,
       (SELECT count(*) FROM hub.login_attempt WHERE remote = %(remote)s AND at > %(since)s) AS by_remote

-- name: insert_attempt
INSERT INTO hub.login_attempt (name, remote, at) VALUES (%(name)s, %(remote)s, %(at)s)

-- name: pardon_attempt
DELETE FROM hub.login_attempt WHERE name = %(name)s AND remote = %(remote)s AND at = %(at)s

-- name: insert_session
INSERT INTO hub.session (token_hash, account_id, created_at, expires_at)
VALUES (%(token_hash)s, %(account_id)s, %(at)s, %(expires_at)s)

-- name: delete_session
DELETE FROM hub.session WHERE token_hash = %(token_hash)s

-- name: delete_sessions_of
DELETE FROM hub.session WHERE account_id = (SELECT id FROM hub.account WHERE name = %(name)s)

-- name: delete_expired
DELETE FROM hub.session WHERE expires_at <= %(at)s AND account_id = %(account_id)s

-- name: identify
SELECT a.name, a.language, s.expires_at, c.id AS community_id, c.code, c.name AS community_name, c.time_zone, r.role
FROM hub.session s
JOIN hub.account a ON a.id = s.account_id AND NOT a.disabled
JOIN hub.account_role r ON r.account_id = a.id
JOIN hub.community c ON c.id = r.community_id
WHERE s.token_hash = %(token_hash)s AND s.expires_at > %(at)s
ORDER BY c.code

-- name: insert_key
INSERT INTO hub.api_key (community_id, name, key_hash, role, created_at, created_by)
VALUES (%(community_id)s, %(name)s, %(key_hash)s, %(role)s, %(at)s, %(actor)s) RETURNING id

-- name: keys
SELECT id, name, role, created_at, created_by, revoked_at FROM hub.api_key
WHERE community_id = %(community_id)s ORDER BY id DESC LIMIT 500

-- name: revoke_key
UPDATE hub.api_key SET revoked_at = coalesce(revoked_at, %(at)s)
WHERE id = %(id)s AND community_id = %(community_id)s RETURNING id

-- name: identify_key
SELECT k.id, k.name, k.role, c.id AS community_id, c.code, c.name AS community_name, c.time_zone
FROM hub.api_key k JOIN hub.community c ON c.id = k.community_id
WHERE k.key_hash = %(key_hash)s AND k.revoked_at IS NULL
