-- What was read of a medium, for people: JSON, of bounded size, a little behind.
ALTER TABLE media_objects ADD COLUMN reads TEXT;
