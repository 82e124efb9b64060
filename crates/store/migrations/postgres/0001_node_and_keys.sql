-- Which node these tables belong to. One row.
CREATE TABLE node (
    one             SMALLINT PRIMARY KEY CHECK (one = 1),
    kind            TEXT NOT NULL,
    name            TEXT NOT NULL,
    -- Written with the first key, then never changed.
    crypto_provider TEXT CHECK (crypto_provider IN ('jce', 'kms')),
    -- Written last by initialization, then never changed.
    uid             TEXT,
    -- How often the tables were opened for writing: tells a process that lost its connection whether another one
    -- was there meanwhile.
    openings        BIGINT NOT NULL DEFAULT 0
);

-- Every public key the node knows, its own and imported ones. `purpose`: 0 signing, 1 encryption.
CREATE TABLE public_keys (
    position    BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fingerprint TEXT NOT NULL UNIQUE,
    purpose     BIGINT NOT NULL CHECK (purpose IN (0, 1)),
    -- The versioned wrapper of crypto.v0.PublicKey.
    key         BYTEA NOT NULL,
    -- NULL: no name. Never empty.
    name        TEXT CHECK (name <> ''),
    UNIQUE (fingerprint, purpose)
);

-- Private part in a KMS: which KMS key stands behind a fingerprint.
CREATE TABLE kms_metadata_store (
    fingerprint TEXT PRIMARY KEY,
    kms_key_id  TEXT NOT NULL UNIQUE,
    kms_key_arn TEXT UNIQUE,
    purpose     BIGINT NOT NULL,
    key_spec    TEXT NOT NULL,
    origin      TEXT NOT NULL CHECK (origin IN ('generated', 'registered', 'imported')),
    -- Microseconds since 1970-01-01T00:00:00Z.
    created_at  BIGINT NOT NULL,
    FOREIGN KEY (fingerprint, purpose) REFERENCES public_keys (fingerprint, purpose)
);

-- Private part in this database (provider jce).
CREATE TABLE private_keys (
    fingerprint    TEXT PRIMARY KEY,
    purpose        BIGINT NOT NULL,
    key            BYTEA NOT NULL,
    -- NULL: `key` is not encrypted by a wrapper key.
    wrapper_key_id TEXT,
    FOREIGN KEY (fingerprint, purpose) REFERENCES public_keys (fingerprint, purpose)
);

-- Creations of KMS keys that are under way. A row goes when its key is stored; one that stays tells, after a
-- crash, of a KMS key that exists or may exist.
CREATE TABLE kms_key_creations (
    position   BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Also a tag of the KMS key.
    id         TEXT NOT NULL UNIQUE,
    purpose    BIGINT NOT NULL CHECK (purpose IN (0, 1)),
    key_spec   TEXT NOT NULL,
    name       TEXT CHECK (name <> ''),
    -- NULL until CreateKey has answered.
    kms_key_id TEXT UNIQUE,
    started_at BIGINT NOT NULL
);
