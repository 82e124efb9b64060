-- Several transactions of one domain message have one time, and what a domain accepts twice is accepted twice: the
-- two rules hold for the node's own topology alone. SQLite changes a rule of a table by writing the table anew.
CREATE TABLE topology_transactions_new (
    position     INTEGER PRIMARY KEY AUTOINCREMENT,
    -- 'Authorized', or the id of a domain.
    store        TEXT NOT NULL,
    sequenced    INTEGER NOT NULL,
    valid_from   INTEGER NOT NULL,
    valid_until  INTEGER CHECK (valid_until >= valid_from),
    op           TEXT NOT NULL CHECK (op IN ('add', 'remove', 'replace')),
    code         TEXT NOT NULL,
    namespace    TEXT NOT NULL,
    -- Empty where the mapping concerns a namespace as a whole.
    identifier   TEXT NOT NULL,
    element_id   TEXT NOT NULL,
    mapping_hash BLOB NOT NULL,
    signed_by    TEXT NOT NULL,
    serialized   BLOB NOT NULL
) STRICT;

INSERT INTO topology_transactions_new SELECT * FROM topology_transactions;
DROP TABLE topology_transactions;
ALTER TABLE topology_transactions_new RENAME TO topology_transactions;

CREATE INDEX topology_times ON topology_transactions (store, sequenced);

CREATE UNIQUE INDEX topology_one_time ON topology_transactions (sequenced) WHERE store = 'Authorized';

-- An addition or removal is stored once for ever: a removed one cannot be replayed.
CREATE UNIQUE INDEX topology_once
    ON topology_transactions (code, namespace, identifier, element_id, op, mapping_hash, signed_by)
    WHERE op <> 'replace' AND store = 'Authorized';

CREATE INDEX topology_active
    ON topology_transactions (store, code, namespace, identifier, element_id)
    WHERE valid_until IS NULL;

CREATE TRIGGER topology_no_delete BEFORE DELETE ON topology_transactions
BEGIN
    SELECT RAISE(ABORT, 'topology_transactions is append-only');
END;

CREATE TRIGGER topology_close_once BEFORE UPDATE ON topology_transactions
WHEN OLD.valid_until IS NOT NULL
    OR OLD.position IS NOT NEW.position
    OR OLD.store IS NOT NEW.store
    OR OLD.sequenced IS NOT NEW.sequenced
    OR OLD.valid_from IS NOT NEW.valid_from
    OR OLD.op IS NOT NEW.op
    OR OLD.code IS NOT NEW.code
    OR OLD.namespace IS NOT NEW.namespace
    OR OLD.identifier IS NOT NEW.identifier
    OR OLD.element_id IS NOT NEW.element_id
    OR OLD.mapping_hash IS NOT NEW.mapping_hash
    OR OLD.signed_by IS NOT NEW.signed_by
    OR OLD.serialized IS NOT NEW.serialized
BEGIN
    SELECT RAISE(ABORT, 'topology_transactions is append-only');
END;

-- Members that a sequencer knows, by a small number.
CREATE TABLE sequencer_members (
    number          INTEGER PRIMARY KEY,
    member          TEXT NOT NULL UNIQUE,
    registered_at   INTEGER NOT NULL,
    -- Up to when the member has done with its events; NULL: it has not said.
    acknowledged_at INTEGER
) STRICT;

-- The latest time that a sequencer gave. One row.
CREATE TABLE sequencer_head (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    latest INTEGER NOT NULL
) STRICT;

-- Signed events, as they are delivered: appended, and each member's counted without gap.
CREATE TABLE sequencer_events (
    position    INTEGER PRIMARY KEY,
    member      INTEGER NOT NULL REFERENCES sequencer_members (number),
    counter     INTEGER NOT NULL CHECK (counter >= 0),
    sequenced   INTEGER NOT NULL,
    -- The versioned wrapper of protocol.v0.SignedContent.
    signed      BLOB NOT NULL,
    traceparent TEXT,
    UNIQUE (member, counter)
) STRICT;

CREATE TRIGGER sequencer_no_gap BEFORE INSERT ON sequencer_events
WHEN NEW.counter > 0 AND NOT EXISTS (
    SELECT 1 FROM sequencer_events WHERE member = NEW.member AND counter = NEW.counter - 1
)
BEGIN
    SELECT RAISE(ABORT, 'sequencer_events: a counter is left out');
END;

CREATE TRIGGER sequencer_no_change BEFORE UPDATE ON sequencer_events
BEGIN
    SELECT RAISE(ABORT, 'sequencer_events is append-only');
END;

-- How far a member has done with the events of a domain.
CREATE TABLE client_cursors (
    domain     TEXT NOT NULL,
    member     TEXT NOT NULL,
    counter    INTEGER NOT NULL CHECK (counter >= 0),
    sequenced  INTEGER NOT NULL,
    -- A hash of the event's content, by which a fork of the sequencer is seen.
    event_hash BLOB NOT NULL,
    PRIMARY KEY (domain, member)
) STRICT, WITHOUT ROWID;

-- Domains that a participant connects to.
CREATE TABLE domain_connections (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    alias    TEXT NOT NULL UNIQUE,
    -- NULL until the first connection; then never changed.
    domain   TEXT,
    -- participant.admin.v0.DomainConnectionConfig.
    config   BLOB NOT NULL
) STRICT;

-- Single values of the roles; `domain` is empty where a value belongs to none.
CREATE TABLE role_settings (
    name   TEXT NOT NULL,
    domain TEXT NOT NULL,
    value  BLOB NOT NULL,
    PRIMARY KEY (name, domain)
) STRICT, WITHOUT ROWID;
