-- Sequencers of one domain that share these tables. Which of them writes, the lock of its session says; this one row,
-- which only such a database has, when it was last heard of: microseconds of the server's clock.
CREATE TABLE sequencer_writer (
    one  BIGINT PRIMARY KEY CHECK (one = 1),
    seen BIGINT NOT NULL
);

-- What members handed to a sequencer that does not write, for the one that does.
CREATE TABLE sequencer_forwarded (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        TEXT NOT NULL CHECK (kind IN ('signed', 'unsigned', 'topology')),
    -- Who was authenticated.
    caller      TEXT NOT NULL,
    content     BYTEA NOT NULL,
    traceparent TEXT,
    -- NULL until it is answered: with the events that came of it, in their transaction, or with a refusal.
    outcome     TEXT,
    message     TEXT
);

CREATE INDEX sequencer_forwarded_open ON sequencer_forwarded (id) WHERE outcome IS NULL;

CREATE FUNCTION sequencer_announce() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM sequencer_writer) THEN
        PERFORM pg_notify('cantle_sequencer', '');
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER sequencer_head_announced AFTER INSERT OR UPDATE ON sequencer_head
    FOR EACH STATEMENT EXECUTE FUNCTION sequencer_announce();

CREATE TRIGGER sequencer_forwarded_announced AFTER INSERT OR UPDATE ON sequencer_forwarded
    FOR EACH STATEMENT EXECUTE FUNCTION sequencer_announce();
