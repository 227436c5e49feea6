-- What is done for the installation now and then, and when it was last done well. The first row is
-- the installation itself: neglect of what was never done counts from there.
CREATE TABLE chores (
    name TEXT PRIMARY KEY,
    succeeded_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO chores (name, succeeded_at)
VALUES ('installation', CAST(unixepoch('subsec') * 1000 AS INTEGER));
