-- A step of an incident may be photographs; they are hub.picture's, with the subject `incident:<id>`.
-- depends: duty-0001-duty

ALTER TABLE duty.incident_step DROP CONSTRAINT incident_step_action_check;
ALTER TABLE duty.incident_step ADD CHECK (action IN ('open', 'add', 'photograph', 'police', 'close'));
