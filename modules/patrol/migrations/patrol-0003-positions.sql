-- Where the phone was at a check-in, if it said so: degrees and metres by WGS-84. `away`: metres from the checkpoint as
-- it was set then, where that is too far.
-- depends: patrol-0002-photos

ALTER TABLE patrol.evidence
  ADD COLUMN lat double precision CHECK (lat BETWEEN -90 AND 90),
  ADD COLUMN lon double precision CHECK (lon BETWEEN -180 AND 180),
  ADD COLUMN accuracy double precision CHECK (accuracy BETWEEN 0 AND 100000),
  ADD COLUMN away int CHECK (away > 0),
  ADD CHECK (num_nulls(lat, lon, accuracy) IN (0, 3)),
  ADD CHECK (away IS NULL OR lat IS NOT NULL);
