"""The aws command line, as a user types it."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from conftest import ACCOUNT, REGION

AWS = Path(sys.executable).with_name("aws")


@pytest.fixture
def aws(tmp_path):
    """Runs a command; gives back what it printed, as JSON if it is JSON."""

    def run(*arguments, key="test", secret="test", fails=False):
        environment = os.environ | {
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_MAX_ATTEMPTS": "1",
            "AWS_PAGER": "",
            "AWS_CONFIG_FILE": str(tmp_path / "no-config"),
            # Sessions of roles are kept there.
            "HOME": str(tmp_path),
        }
        done = subprocess.run(
            [sys.executable, AWS, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert (done.returncode != 0) == fails, done.stderr
        if fails:
            return done.stderr
        try:
            return json.loads(done.stdout)
        except ValueError:
            return done.stdout

    return run


def test_a_file_is_signed_and_verified(aws, tmp_path):
    created = aws("kms", "create-key", "--key-usage", "SIGN_VERIFY", "--key-spec", "ECC_NIST_P256")
    key_id = created["KeyMetadata"]["KeyId"]
    (tmp_path / "message").write_bytes(b"hello")
    sign = ["--key-id", key_id, "--message", "fileb://message", "--signing-algorithm", "ECDSA_SHA_256"]
    signature = base64.b64decode(aws("kms", "sign", *sign)["Signature"])
    (tmp_path / "signature").write_bytes(signature)
    assert aws("kms", "verify", *sign, "--signature", "fileb://signature")["SignatureValid"] is True
    der = base64.b64decode(aws("kms", "get-public-key", "--key-id", key_id)["PublicKey"])
    serialization.load_der_public_key(der).verify(signature, b"hello", ec.ECDSA(hashes.SHA256()))
    (tmp_path / "message").write_bytes(b"hallo")
    error = aws("kms", "verify", *sign, "--signature", "fileb://signature", fails=True)
    assert "KMSInvalidSignatureException" in error


def test_a_file_is_encrypted_and_decrypted_under_an_alias(aws, tmp_path):
    key_id = aws("kms", "create-key")["KeyMetadata"]["KeyId"]
    alias = f"alias/cli-{os.urandom(6).hex()}"
    assert aws("kms", "create-alias", "--alias-name", alias, "--target-key-id", key_id) == ""
    (tmp_path / "plain").write_bytes(b"secret")
    context = ["--encryption-context", "purpose=test"]
    sealed = aws("kms", "encrypt", "--key-id", alias, "--plaintext", "fileb://plain", *context)
    (tmp_path / "sealed").write_bytes(base64.b64decode(sealed["CiphertextBlob"]))
    opened = aws("kms", "decrypt", "--ciphertext-blob", "fileb://sealed", *context)
    assert base64.b64decode(opened["Plaintext"]) == b"secret"
    assert "InvalidCiphertextException" in aws("kms", "decrypt", "--ciphertext-blob", "fileb://sealed", fails=True)


def test_lists_are_paged_and_filtered(aws):
    made = [aws("kms", "create-key", "--tags", "TagKey=team,TagValue=a")["KeyMetadata"]["KeyId"] for _ in range(3)]
    listed = aws("kms", "list-keys", "--page-size", "2", "--query", "Keys[].KeyId")
    assert set(made) <= set(listed)
    tags = aws("kms", "list-resource-tags", "--key-id", made[0])["Tags"]
    assert tags == [{"TagKey": "team", "TagValue": "a"}]


def test_errors_and_refusals_are_named(aws):
    error = aws("kms", "describe-key", "--key-id", "alias/absent", fails=True)
    assert f"(NotFoundException) when calling the DescribeKey operation: Alias arn:aws:kms:{REGION}:{ACCOUNT}:alias/absent is not found." in error
    error = aws("kms", "list-keys", key="nobody", secret="nobody-secret", fails=True)
    assert "(AccessDeniedException)" in error
    error = aws("kms", "list-keys", secret="wrong", fails=True)
    assert "(InvalidSignatureException)" in error


def test_the_caller_is_told_who_it_is(aws):
    assert aws("sts", "get-caller-identity")["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/test"


def test_a_profile_assumes_a_role(aws, tmp_path, monkeypatch):
    key_id = aws("kms", "create-key", "--key-usage", "SIGN_VERIFY", "--key-spec", "ECC_NIST_P256")["KeyMetadata"]["KeyId"]
    (tmp_path / "no-config").write_text(
        "[profile base]\naws_access_key_id = test\naws_secret_access_key = test\n"
        f"[profile node]\nrole_arn = arn:aws:iam::{ACCOUNT}:role/ledger-node\nsource_profile = base\nexternal_id = abc\n"
    )
    monkeypatch.setenv("AWS_PROFILE", "node")
    identity = aws("--profile", "node", "sts", "get-caller-identity", key="", secret="")
    assert identity["Arn"].startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/ledger-node/")
    described = aws("--profile", "node", "kms", "describe-key", "--key-id", key_id, key="", secret="")
    assert described["KeyMetadata"]["KeyId"] == key_id
    assert "AccessDeniedException" in aws("--profile", "node", "kms", "create-key", key="", secret="", fails=True)
