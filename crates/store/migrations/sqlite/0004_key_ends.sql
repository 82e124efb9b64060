-- Since when no attempt goes on with a creation: what may be left of it is a KMS key that nobody uses.
ALTER TABLE kms_key_creations ADD COLUMN lost_at INTEGER;

-- Deletions of KMS keys that an operator asked for and that are not over.
CREATE TABLE kms_key_deletions (
    fingerprint         TEXT PRIMARY KEY REFERENCES kms_metadata_store (fingerprint),
    pending_window_days INTEGER NOT NULL CHECK (pending_window_days BETWEEN 7 AND 30),
    requested_at        INTEGER NOT NULL,
    -- NULL until the KMS has answered.
    deletes_at          INTEGER
) STRICT;
