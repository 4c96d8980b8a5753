-- An alarm that is raised again after its order was done gets another: one order an alarm that is not finished.
-- depends: workorders-0001-orders hub-0005-alarms

ALTER TABLE workorders.work_order ADD COLUMN raised_then bigint;  -- how often its alarm had been raised at the end
ALTER TABLE workorders.work_order DROP CONSTRAINT work_order_community_id_alarm_id_key;
CREATE INDEX work_order_alarm ON workorders.work_order (community_id, alarm_id, id DESC);
CREATE UNIQUE INDEX work_order_pending ON workorders.work_order (community_id, alarm_id)
  WHERE state NOT IN ('done', 'cancelled');
