-- Several transactions of one domain message have one time, and what a domain accepts twice is accepted twice: the
-- two rules hold for the node's own topology alone.
ALTER TABLE topology_transactions DROP CONSTRAINT topology_transactions_store_sequenced_key;
DROP INDEX topology_once;

CREATE INDEX topology_times ON topology_transactions (store, sequenced);

CREATE UNIQUE INDEX topology_one_time ON topology_transactions (sequenced) WHERE store = 'Authorized';

-- An addition or removal is stored once for ever: a removed one cannot be replayed.
CREATE UNIQUE INDEX topology_once
    ON topology_transactions (code, namespace, identifier, element_id, op, mapping_hash, signed_by)
    WHERE op <> 'replace' AND store = 'Authorized';

-- Members that a sequencer knows, by a small number.
CREATE TABLE sequencer_members (
    number          BIGINT PRIMARY KEY,
    member          TEXT NOT NULL UNIQUE,
    registered_at   BIGINT NOT NULL,
    -- Up to when the member has done with its events; NULL: it has not said.
    acknowledged_at BIGINT
);

-- The latest time that a sequencer gave. One row.
CREATE TABLE sequencer_head (
    one    BIGINT PRIMARY KEY CHECK (one = 1),
    latest BIGINT NOT NULL
);

-- Signed events, as they are delivered: appended, and each member's counted without gap.
CREATE TABLE sequencer_events (
    position    BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    member      BIGINT NOT NULL REFERENCES sequencer_members (number),
    counter     BIGINT NOT NULL CHECK (counter >= 0),
    sequenced   BIGINT NOT NULL,
    -- The versioned wrapper of protocol.v0.SignedContent.
    signed      BYTEA NOT NULL,
    traceparent TEXT,
    UNIQUE (member, counter)
);

-- Its batch is gzip already.
ALTER TABLE sequencer_events ALTER COLUMN signed SET STORAGE EXTERNAL;

CREATE FUNCTION sequencer_events_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'sequencer_events is append-only';
END
$$;

CREATE FUNCTION sequencer_events_next() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.counter > 0 AND NOT EXISTS (
        SELECT 1 FROM sequencer_events WHERE member = NEW.member AND counter = NEW.counter - 1
    ) THEN
        RAISE EXCEPTION 'sequencer_events: a counter is left out';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER sequencer_no_gap BEFORE INSERT ON sequencer_events
    FOR EACH ROW EXECUTE FUNCTION sequencer_events_next();

CREATE TRIGGER sequencer_no_change BEFORE UPDATE ON sequencer_events
    FOR EACH ROW EXECUTE FUNCTION sequencer_events_refuse();

-- How far a member has done with the events of a domain.
CREATE TABLE client_cursors (
    domain     TEXT NOT NULL,
    member     TEXT NOT NULL,
    counter    BIGINT NOT NULL CHECK (counter >= 0),
    sequenced  BIGINT NOT NULL,
    -- A hash of the event's content, by which a fork of the sequencer is seen.
    event_hash BYTEA NOT NULL,
    PRIMARY KEY (domain, member)
);

-- Domains that a participant connects to.
CREATE TABLE domain_connections (
    position BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alias    TEXT NOT NULL UNIQUE,
    -- NULL until the first connection; then never changed.
    domain   TEXT,
    -- participant.admin.v0.DomainConnectionConfig.
    config   BYTEA NOT NULL
);

-- Single values of the roles; `domain` is empty where a value belongs to none.
CREATE TABLE role_settings (
    name   TEXT NOT NULL,
    domain TEXT NOT NULL,
    value  BYTEA NOT NULL,
    PRIMARY KEY (name, domain)
);
