-- Signed topology transactions, append-only: rows are never deleted, and the one change a row sees is
-- that `valid_until` is filled in, once. Times are microseconds since 1970-01-01T00:00:00Z.
CREATE TABLE topology_transactions (
    position     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- 'Authorized', or the id of a domain.
    store        TEXT NOT NULL,
    sequenced    BIGINT NOT NULL,
    valid_from   BIGINT NOT NULL,
    valid_until  BIGINT CHECK (valid_until >= valid_from),
    op           TEXT NOT NULL CHECK (op IN ('add', 'remove', 'replace')),
    code         TEXT NOT NULL,
    namespace    TEXT NOT NULL,
    -- Empty where the mapping concerns a namespace as a whole.
    identifier   TEXT NOT NULL,
    element_id   TEXT NOT NULL,
    mapping_hash BYTEA NOT NULL,
    signed_by    TEXT NOT NULL,
    serialized   BYTEA NOT NULL,
    UNIQUE (store, sequenced)
);

-- An addition or removal is stored once for ever: a removed one cannot be replayed.
CREATE UNIQUE INDEX topology_once
    ON topology_transactions (store, code, namespace, identifier, element_id, op, mapping_hash, signed_by)
    WHERE op <> 'replace';

CREATE INDEX topology_active
    ON topology_transactions (store, code, namespace, identifier, element_id)
    WHERE valid_until IS NULL;

CREATE FUNCTION topology_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'topology_transactions is append-only';
END
$$;

CREATE TRIGGER topology_no_delete BEFORE DELETE ON topology_transactions
    FOR EACH ROW EXECUTE FUNCTION topology_append_only();

CREATE TRIGGER topology_no_truncate BEFORE TRUNCATE ON topology_transactions
    FOR EACH STATEMENT EXECUTE FUNCTION topology_append_only();

CREATE TRIGGER topology_close_once BEFORE UPDATE ON topology_transactions
    FOR EACH ROW
    WHEN (
        OLD.valid_until IS NOT NULL
        OR OLD.position IS DISTINCT FROM NEW.position
        OR OLD.store IS DISTINCT FROM NEW.store
        OR OLD.sequenced IS DISTINCT FROM NEW.sequenced
        OR OLD.valid_from IS DISTINCT FROM NEW.valid_from
        OR OLD.op IS DISTINCT FROM NEW.op
        OR OLD.code IS DISTINCT FROM NEW.code
        OR OLD.namespace IS DISTINCT FROM NEW.namespace
        OR OLD.identifier IS DISTINCT FROM NEW.identifier
        OR OLD.element_id IS DISTINCT FROM NEW.element_id
        OR OLD.mapping_hash IS DISTINCT FROM NEW.mapping_hash
        OR OLD.signed_by IS DISTINCT FROM NEW.signed_by
        OR OLD.serialized IS DISTINCT FROM NEW.serialized
    )
    EXECUTE FUNCTION topology_append_only();
