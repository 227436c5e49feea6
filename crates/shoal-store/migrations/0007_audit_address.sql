-- The address a caller acted from; NULL where nobody knows.
ALTER TABLE audit ADD COLUMN address TEXT;
