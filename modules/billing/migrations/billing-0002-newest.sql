-- The newest period is found without looking at all lines there ever were.
-- depends: billing-0001-lines

CREATE INDEX ON billing.bill_line (community_id, period_end DESC, period_start DESC);
