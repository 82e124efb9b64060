-- Signed topology transactions, append-only: rows are never deleted, and the one change a row sees is
-- that `valid_until` is filled in, once. Times are microseconds since 1970-01-01T00:00:00Z.
CREATE TABLE topology_transactions (
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
    serialized   BLOB NOT NULL,
    UNIQUE (store, sequenced)
) STRICT;

-- An addition or removal is stored once for ever: a removed one cannot be replayed.
CREATE UNIQUE INDEX topology_once
    ON topology_transactions (store, code, namespace, identifier, element_id, op, mapping_hash, signed_by)
    WHERE op <> 'replace';

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
