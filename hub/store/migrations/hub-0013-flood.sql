-- An alarm that moves up and down is rewritten in place: there is room beside it, and no index holds what moves with
-- it, but for its state.
-- depends: hub-0012-clips

ALTER TABLE hub.alarm SET (fillfactor = 60);
DROP INDEX hub.alarm_first_out;
ALTER TABLE hub.alarm ADD COLUMN first_out_at timestamptz
  GENERATED ALWAYS AS (CASE WHEN first_out_group <> '' THEN active_since END) STORED;
CREATE INDEX alarm_first_out ON hub.alarm (community_id, first_out_group, first_out_at) WHERE first_out_at IS NOT NULL;

-- Only retention asks for reasons by time alone.
DROP INDEX hub.rule_decision_at_idx;
CREATE INDEX rule_decision_at_idx ON hub.rule_decision USING brin (at);
