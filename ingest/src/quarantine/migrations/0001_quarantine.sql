-- Everything that could not become a reading, and everything that was given up. The journal carries it first; this
-- is its index, and the key (gateway, epoch, position) makes indexing a record twice a no-op.

CREATE TABLE refused (
    id       INTEGER PRIMARY KEY,
    gateway  TEXT    NOT NULL,
    epoch    INTEGER NOT NULL, -- the bits of a u64
    position INTEGER NOT NULL,
    reason   INTEGER NOT NULL, -- pantau.v1.Reason
    source   TEXT    NOT NULL, -- empty: a reading that ingest itself refused
    topic    TEXT    NOT NULL, -- or the name of the series
    detail   TEXT    NOT NULL,
    payload  BLOB    NOT NULL,
    time     INTEGER NOT NULL, -- milliseconds since the epoch, UTC
    received INTEGER NOT NULL, -- the same, at ingest
    UNIQUE (gateway, epoch, position)
) STRICT;

CREATE TABLE losses (
    id         INTEGER PRIMARY KEY,
    gateway    TEXT    NOT NULL,
    epoch      INTEGER NOT NULL,
    start      INTEGER NOT NULL,
    "end"      INTEGER NOT NULL,
    first_time INTEGER NOT NULL,
    last_time  INTEGER NOT NULL,
    count      INTEGER NOT NULL,
    reason     INTEGER NOT NULL, -- pantau.v1.LossReason
    detail     TEXT    NOT NULL,
    received   INTEGER NOT NULL,
    UNIQUE (gateway, epoch, start, "end", first_time, last_time, reason)
) STRICT;

-- What each gateway has here, also after old rows were dropped.
CREATE TABLE totals (
    gateway     TEXT    PRIMARY KEY,
    quarantined INTEGER NOT NULL DEFAULT 0,
    rejected    INTEGER NOT NULL DEFAULT 0,
    lost        INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TRIGGER refused_counted AFTER INSERT ON refused BEGIN
    INSERT INTO totals (gateway, quarantined, rejected) VALUES (new.gateway, 1, new.source = '')
    ON CONFLICT (gateway) DO UPDATE SET quarantined = quarantined + 1, rejected = rejected + (new.source = '');
END;

CREATE TRIGGER losses_counted AFTER INSERT ON losses BEGIN
    INSERT INTO totals (gateway, lost) VALUES (new.gateway, new.count)
    ON CONFLICT (gateway) DO UPDATE SET lost = lost + new.count;
END;
