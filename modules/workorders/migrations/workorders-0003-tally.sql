-- Orders that wait, and those done of late, are counted without looking at all there ever were.
-- depends: workorders-0002-again

CREATE INDEX ON workorders.work_order (community_id, due_at) WHERE state IN ('open', 'assigned', 'in_progress');
CREATE INDEX ON workorders.work_order (community_id, done_at) WHERE state = 'done';
