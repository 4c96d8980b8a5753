-- name: by_index
SELECT set_config('enable_seqscan', %(seqscan)s, true)

-- name: sorting
SELECT set_config('enable_sort', %(sort)s, true), set_config('enable_bitmapscan', %(sort)s, true)

-- name: latest
SELECT x.id, x.community_id, x.condition, x.state, x.returns, x.chattering, x.changed_at
FROM unnest(%(communities)s::int[], %(conditions)s::text[]) AS w (community_id, condition)
CROSS JOIN LATERAL (SELECT a.id, a.community_id, a.condition, a.state, a.returns, a.chattering, a.changed_at
  FROM hub.alarm a
  -- said so that only the index alarm_condition has the order, and sorting is off: plans of the table's first seconds,
  -- which are kept, took the primary key backwards or sorted the whole community
  WHERE a.community_id = w.community_id AND a.condition BETWEEN w.condition AND w.condition
  ORDER BY a.condition, a.id DESC LIMIT 1) x

-- name: lock_live
SELECT id, community_id, condition, rule, device_id, priority, life_safety, state, title, count, latch, suppresses,
  work_order, returns, chattering, active_since, returned_at, annunciate_at, annunciated_at, storm_id, first_out,
  suppression, suppressed_until, suppressed_by, suppression_reason, parent_alarm_id, returned_silently, limit_value,
  cost_fen, historical
FROM hub.alarm WHERE id = ANY (%(ids)s) AND state <> 'normal' ORDER BY id FOR UPDATE

-- name: numbers
SELECT nextval('hub.alarm_id_seq') FROM generate_series(1, %(count)s)

-- name: first_outs
SELECT id, community_id, first_out_group, active_since FROM hub.alarm
WHERE first_out AND community_id = ANY (%(communities)s) AND first_out_group = ANY (%(groups)s)
  AND first_out_at BETWEEN %(since)s AND %(until)s

-- name: not_first
UPDATE hub.alarm SET first_out = false WHERE id = ANY (%(ids)s)

-- name: update
UPDATE hub.alarm a SET state = r.state, count = r.count, text = coalesce(r.text, a.text), changed_at = %(now)s,
  returned_at = r.returned_at, active_since = r.active_since, returns = r.returns, chattering = r.chattering,
  annunciate_at = r.annunciate_at, annunciated_at = r.annunciated_at, storm_id = r.storm_id, first_out = r.first_out,
  suppression = r.suppression, suppressed_until = r.suppressed_until, suppressed_by = r.suppressed_by,
  suppression_reason = r.suppression_reason, parent_alarm_id = r.parent_alarm_id, limit_value = r.limit_value,
  cost_fen = r.cost_fen, returned_silently = r.returned_silently,
  acknowledged_at = CASE WHEN r.state = 'active_unacknowledged' THEN NULL ELSE a.acknowledged_at END,
  acknowledged_by = CASE WHEN r.state = 'active_unacknowledged' THEN NULL ELSE a.acknowledged_by END
FROM json_to_recordset(%(rows)s) AS r (id bigint, state text, count int, text jsonb, returned_at timestamptz,
  active_since timestamptz, returns timestamptz[], chattering boolean, annunciate_at timestamptz,
  annunciated_at timestamptz, storm_id bigint, first_out boolean, suppression text, suppressed_until timestamptz,
  suppressed_by text, suppression_reason text, parent_alarm_id bigint, limit_value float8, cost_fen bigint,
  returned_silently boolean)
WHERE a.id = r.id

-- name: insert
INSERT INTO hub.alarm (id, community_id, condition, rule, device_id, priority, life_safety, state, title, text,
  procedure, raised_at, returned_at, count, cause, changed_at, suppression, suppressed_until, suppressed_by,
  suppression_reason, parent_alarm_id, first_out, first_out_group, chattering, returns, historical, active_since,
  annunciate_at, annunciated_at, storm_id, limit_value, point, cost_fen, latch, suppresses, shelvable, work_order,
  returned_silently)
OVERRIDING SYSTEM VALUE
SELECT r.id, r.community_id, r.condition, r.rule, r.device_id, r.priority, r.life_safety, r.state, r.title, r.text,
  r.procedure, r.raised_at, r.returned_at, r.count, r.cause, %(now)s, r.suppression, r.suppressed_until,
  r.suppressed_by, r.suppression_reason, r.parent_alarm_id, r.first_out, r.first_out_group, r.chattering, r.returns,
  r.historical, r.active_since, r.annunciate_at, r.annunciated_at, r.storm_id, r.limit_value, r.point, r.cost_fen,
  r.latch, r.suppresses, r.shelvable, r.work_order, r.returned_silently
FROM json_to_recordset(%(rows)s) AS r (id bigint, community_id int, condition text, rule text, device_id int,
  priority smallint, life_safety boolean, state text, title jsonb, text jsonb, procedure jsonb, raised_at timestamptz,
  returned_at timestamptz, count int, cause uuid, suppression text, suppressed_until timestamptz, suppressed_by text,
  suppression_reason text, parent_alarm_id bigint, first_out boolean, first_out_group text, chattering boolean,
  returns timestamptz[], historical boolean, active_since timestamptz, annunciate_at timestamptz,
  annunciated_at timestamptz, storm_id bigint, limit_value float8, point text, cost_fen bigint, latch boolean,
  suppresses boolean, shelvable boolean, work_order boolean, returned_silently boolean)
