-- Which node this database belongs to. One row.
CREATE TABLE node (
    one             INTEGER PRIMARY KEY CHECK (one = 1),
    kind            TEXT NOT NULL,
    name            TEXT NOT NULL,
    -- Written with the first key, then never changed.
    crypto_provider TEXT CHECK (crypto_provider IN ('jce', 'kms')),
    -- Written last by initialization, then never changed.
    uid             TEXT
) STRICT;

-- Every public key the node knows, its own and imported ones. `purpose`: 0 signing, 1 encryption.
CREATE TABLE public_keys (
    position    INTEGER PRIMARY KEY AUTOINCREMENT,
    fingerprint TEXT NOT NULL UNIQUE,
    purpose     INTEGER NOT NULL CHECK (purpose IN (0, 1)),
    -- The versioned wrapper of crypto.v0.PublicKey.
    key         BLOB NOT NULL,
    -- NULL: no name. Never empty.
    name        TEXT CHECK (name <> ''),
    UNIQUE (fingerprint, purpose)
) STRICT;

-- Private part in a KMS: which KMS key stands behind a fingerprint.
CREATE TABLE kms_metadata_store (
    fingerprint TEXT PRIMARY KEY,
    kms_key_id  TEXT NOT NULL UNIQUE,
    kms_key_arn TEXT UNIQUE,
    purpose     INTEGER NOT NULL,
    key_spec    TEXT NOT NULL,
    origin      TEXT NOT NULL CHECK (origin IN ('generated', 'registered', 'imported')),
    -- Microseconds since 1970-01-01T00:00:00Z.
    created_at  INTEGER NOT NULL,
    FOREIGN KEY (fingerprint, purpose) REFERENCES public_keys (fingerprint, purpose)
) STRICT;

-- Private part in this database (provider jce).
CREATE TABLE private_keys (
    fingerprint    TEXT PRIMARY KEY,
    purpose        INTEGER NOT NULL,
    key            BLOB NOT NULL,
    -- NULL: `key` is not encrypted by a wrapper key.
    wrapper_key_id TEXT,
    FOREIGN KEY (fingerprint, purpose) REFERENCES public_keys (fingerprint, purpose)
) STRICT;

-- Creations of KMS keys that are under way. A row goes when its key is stored; one that stays tells, after a
-- crash, of a KMS key that exists or may exist.
CREATE TABLE kms_key_creations (
    position   INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Also a tag of the KMS key.
    id         TEXT NOT NULL UNIQUE,
    purpose    INTEGER NOT NULL CHECK (purpose IN (0, 1)),
    key_spec   TEXT NOT NULL,
    name       TEXT CHECK (name <> ''),
    -- NULL until CreateKey has answered.
    kms_key_id TEXT UNIQUE,
    started_at INTEGER NOT NULL
) STRICT;
