-- name: newest
SELECT number, digest, source, author, at, note FROM patrol.plan_version
WHERE community_id = %(community_id)s ORDER BY number DESC LIMIT 1

-- name: laid
-- Of every community the text laid over its file, if its newest version is not the file again.
SELECT n.*, v.file FROM (
  SELECT DISTINCT ON (community_id) community_id, number, digest, source, author, at, note FROM patrol.plan_version
  WHERE community_id = ANY (%(communities)s) ORDER BY community_id, number DESC
) n JOIN patrol.version v USING (community_id, digest)
WHERE n.source <> 'file'

-- name: versions
SELECT number, digest, source, author, at, note FROM patrol.plan_version
WHERE community_id = %(community_id)s ORDER BY number DESC LIMIT %(limit)s

-- name: version
SELECT p.number, p.digest, p.source, p.author, p.at, p.note, v.file
FROM patrol.plan_version p JOIN patrol.version v USING (community_id, digest)
WHERE p.community_id = %(community_id)s AND p.number = %(number)s

-- name: add
INSERT INTO patrol.plan_version (community_id, number, digest, source, author, at, note)
SELECT %(community_id)s, coalesce(max(number), 0) + 1, %(digest)s, %(source)s, %(author)s, %(at)s, %(note)s
FROM patrol.plan_version WHERE community_id = %(community_id)s
RETURNING number, digest, source, author, at, note
