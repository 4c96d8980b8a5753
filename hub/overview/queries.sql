-- name: losses
-- What anomalies of the last days cost by the tariff of their day; an alarm that goes on counts what it has cost so far.
SELECT count(*) AS count, coalesce(sum(cost_fen), 0)::bigint AS fen FROM hub.alarm
WHERE community_id = %(community_id)s AND cost_fen IS NOT NULL AND raised_at >= %(since)s AND NOT historical
