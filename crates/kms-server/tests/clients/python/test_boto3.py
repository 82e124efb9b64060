"""boto3 against the server, with the cryptography package as the other side."""

import base64
import datetime
import hashlib
import json
import os

import pytest
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa, utils
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding

from conftest import ACCOUNT, REGION

ECDSA = {
    "ECC_NIST_P256": ("ECDSA_SHA_256", hashes.SHA256(), ec.SECP256R1),
    "ECC_NIST_P384": ("ECDSA_SHA_384", hashes.SHA384(), ec.SECP384R1),
    "ECC_NIST_P521": ("ECDSA_SHA_512", hashes.SHA512(), ec.SECP521R1),
    "ECC_SECG_P256K1": ("ECDSA_SHA_256", hashes.SHA256(), ec.SECP256K1),
}
HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
MESSAGE = b"transfer 100 to Alice"


def public_key(kms, key):
    given = kms.get_public_key(KeyId=key["KeyId"])
    assert given["KeyId"] == key["Arn"]
    assert given["KeySpec"] == key["KeySpec"]
    assert given["KeyUsage"] == key["KeyUsage"]
    return serialization.load_der_public_key(given["PublicKey"])


def digest(algorithm, message=MESSAGE):
    hasher = hashes.Hash(algorithm)
    hasher.update(message)
    return hasher.finalize()


@pytest.mark.parametrize("spec", ECDSA)
def test_ecdsa_signs_messages_and_digests_alike(kms, key, spec):
    algorithm, hashed, curve = ECDSA[spec]
    made = key(spec, "SIGN_VERIFY")
    assert made["SigningAlgorithms"] == [algorithm]
    public = public_key(kms, made)
    assert isinstance(public.curve, curve)
    request = {"KeyId": made["KeyId"], "SigningAlgorithm": algorithm}
    raw = kms.sign(Message=MESSAGE, **request)
    assert raw["KeyId"] == made["Arn"] and raw["SigningAlgorithm"] == algorithm
    public.verify(raw["Signature"], MESSAGE, ec.ECDSA(hashed))
    of_digest = kms.sign(Message=digest(hashed), MessageType="DIGEST", **request)["Signature"]
    public.verify(of_digest, MESSAGE, ec.ECDSA(hashed))
    public.verify(of_digest, digest(hashed), ec.ECDSA(utils.Prehashed(hashed)))
    verified = kms.verify(Message=MESSAGE, Signature=of_digest, **request)
    assert verified["SignatureValid"] is True


@pytest.mark.parametrize("bits", ["2048", "3072", "4096"])
def test_rsa_signs_with_both_paddings(kms, key, bits):
    made = key(f"RSA_{bits}", "SIGN_VERIFY")
    public = public_key(kms, made)
    assert public.key_size == int(bits)
    for algorithm in made["SigningAlgorithms"]:
        hashed = HASHES[algorithm[-3:]]
        if "PSS" in algorithm:
            pad = padding.PSS(mgf=padding.MGF1(hashed), salt_length=hashed.digest_size)
        else:
            pad = padding.PKCS1v15()
        request = {"KeyId": made["KeyId"], "SigningAlgorithm": algorithm}
        raw = kms.sign(Message=MESSAGE, **request)["Signature"]
        public.verify(raw, MESSAGE, pad, hashed)
        of_digest = kms.sign(Message=digest(hashed), MessageType="DIGEST", **request)["Signature"]
        public.verify(of_digest, MESSAGE, pad, hashed)


def test_ed25519_signs_messages_and_prehashes(kms, key):
    made = key("ECC_NIST_EDWARDS25519", "SIGN_VERIFY")
    public = public_key(kms, made)
    assert isinstance(public, ed25519.Ed25519PublicKey)
    request = {"KeyId": made["KeyId"], "SigningAlgorithm": "ED25519_SHA_512"}
    public.verify(kms.sign(Message=MESSAGE, **request)["Signature"], MESSAGE)
    request["SigningAlgorithm"] = "ED25519_PH_SHA_512"
    request |= {"Message": hashlib.sha512(MESSAGE).digest(), "MessageType": "DIGEST"}
    signature = kms.sign(**request)["Signature"]
    assert kms.verify(Signature=signature, **request)["SignatureValid"]


@pytest.mark.parametrize("strength", ["44", "65", "87"])
def test_ml_dsa_signs_messages_and_external_mu(kms, key, strength):
    made = key(f"ML_DSA_{strength}", "SIGN_VERIFY")
    der = kms.get_public_key(KeyId=made["KeyId"])["PublicKey"]
    public = serialization.load_der_public_key(der)
    request = {"KeyId": made["KeyId"], "SigningAlgorithm": "ML_DSA_SHAKE_256"}
    public.verify(kms.sign(Message=MESSAGE, **request)["Signature"], MESSAGE)
    # FIPS 204: mu is SHAKE256 over the hash of the public key, two zero bytes (no context) and the message.
    raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    hashed = hashlib.shake_256(raw).digest(64)
    mu = hashlib.shake_256(hashed + b"\0\0" + MESSAGE).digest(64)
    signature = kms.sign(Message=mu, MessageType="EXTERNAL_MU", **request)["Signature"]
    public.verify(signature, MESSAGE)
    assert kms.verify(Message=mu, MessageType="EXTERNAL_MU", Signature=signature, **request)["SignatureValid"]


def test_a_wrong_signature_is_an_exception(kms, key, refused):
    made = key("ECC_NIST_P256", "SIGN_VERIFY")
    request = {"KeyId": made["KeyId"], "SigningAlgorithm": "ECDSA_SHA_256"}
    signature = kms.sign(Message=MESSAGE, **request)["Signature"]
    assert refused(kms.verify, Message=b"another", Signature=signature, **request)[0] == "KMSInvalidSignatureException"
    assert refused(kms.verify, Message=MESSAGE, Signature=b"x", **request)[0] == "KMSInvalidSignatureException"


@pytest.mark.parametrize("bits", ["2048", "3072", "4096"])
@pytest.mark.parametrize("algorithm", ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"])
def test_anybody_with_the_public_key_can_encrypt(kms, key, refused, bits, algorithm):
    made = key(f"RSA_{bits}")
    public = public_key(kms, made)
    hashed = hashes.SHA1() if algorithm.endswith("SHA_1") else hashes.SHA256()
    pad = padding.OAEP(mgf=padding.MGF1(hashed), algorithm=hashed, label=None)
    request = {"KeyId": made["KeyId"], "EncryptionAlgorithm": algorithm}
    outside = public.encrypt(MESSAGE, pad)
    opened = kms.decrypt(CiphertextBlob=outside, **request)
    assert opened["Plaintext"] == MESSAGE and opened["KeyId"] == made["Arn"]
    inside = kms.encrypt(Plaintext=MESSAGE, **request)["CiphertextBlob"]
    assert len(inside) == int(bits) // 8
    assert kms.decrypt(CiphertextBlob=inside, **request)["Plaintext"] == MESSAGE
    longest = int(bits) // 8 - 2 - 2 * hashed.digest_size
    kms.encrypt(Plaintext=b"x" * longest, **request)
    code, _ = refused(kms.encrypt, Plaintext=b"x" * (longest + 1), **request)
    assert code == "ValidationException"
    changed = outside[:-1] + bytes([outside[-1] ^ 1])
    assert refused(kms.decrypt, CiphertextBlob=changed, **request)[0] == "InvalidCiphertextException"


def test_symmetric_ciphertexts_are_bound_to_their_context(kms, key, refused):
    made, other = key(), key()
    sealed = kms.encrypt(KeyId=made["KeyId"], Plaintext=MESSAGE, EncryptionContext={"a": "b"})["CiphertextBlob"]
    opened = kms.decrypt(CiphertextBlob=sealed, EncryptionContext={"a": "b"})
    assert opened["Plaintext"] == MESSAGE and opened["KeyId"] == made["Arn"]
    assert opened["KeyMaterialId"] == made["CurrentKeyMaterialId"]
    assert refused(kms.decrypt, CiphertextBlob=sealed)[0] == "InvalidCiphertextException"
    assert refused(kms.decrypt, CiphertextBlob=sealed[:-1], EncryptionContext={"a": "b"})[0] == "InvalidCiphertextException"
    wrong = refused(kms.decrypt, CiphertextBlob=sealed, KeyId=other["KeyId"], EncryptionContext={"a": "b"})
    assert wrong[0] == "IncorrectKeyException"
    moved = kms.re_encrypt(
        CiphertextBlob=sealed, SourceEncryptionContext={"a": "b"}, DestinationKeyId=other["KeyId"]
    )
    assert moved["SourceKeyId"] == made["Arn"] and moved["KeyId"] == other["Arn"]
    assert kms.decrypt(CiphertextBlob=moved["CiphertextBlob"])["Plaintext"] == MESSAGE


def test_data_keys_and_pairs(kms, key):
    made = key()
    whole = kms.generate_data_key(KeyId=made["KeyId"], KeySpec="AES_256")
    assert len(whole["Plaintext"]) == 32
    assert kms.decrypt(CiphertextBlob=whole["CiphertextBlob"])["Plaintext"] == whole["Plaintext"]
    sealed = kms.generate_data_key_without_plaintext(KeyId=made["KeyId"], NumberOfBytes=7)
    assert "Plaintext" not in sealed and len(kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"])["Plaintext"]) == 7
    for spec in ["RSA_2048", "ECC_NIST_P256", "ECC_SECG_P256K1", "ECC_NIST_EDWARDS25519"]:
        pair = kms.generate_data_key_pair(KeyId=made["KeyId"], KeyPairSpec=spec)
        private = serialization.load_der_private_key(pair["PrivateKeyPlaintext"], None)
        der = private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        assert der == pair["PublicKey"]
        assert kms.decrypt(CiphertextBlob=pair["PrivateKeyCiphertextBlob"])["Plaintext"] == pair["PrivateKeyPlaintext"]
        assert "PrivateKeyPlaintext" not in kms.generate_data_key_pair_without_plaintext(
            KeyId=made["KeyId"], KeyPairSpec=spec
        )
    assert len(kms.generate_random(NumberOfBytes=33)["Plaintext"]) == 33


@pytest.mark.parametrize("bits", ["224", "256", "384", "512"])
def test_macs_verify(kms, key, refused, bits):
    made = key(f"HMAC_{bits}", "GENERATE_VERIFY_MAC")
    request = {"KeyId": made["KeyId"], "Message": MESSAGE, "MacAlgorithm": f"HMAC_SHA_{bits}"}
    mac = kms.generate_mac(**request)["Mac"]
    assert len(mac) == int(bits) // 8
    assert kms.verify_mac(Mac=mac, **request)["MacValid"] is True
    assert refused(kms.verify_mac, Mac=mac[:-1], **request)[0] == "KMSInvalidMacException"
    assert refused(kms.get_public_key, KeyId=made["KeyId"])[0] == "UnsupportedOperationException"


def test_a_shared_secret_is_the_peers_too(kms, key):
    made = key("ECC_NIST_P384", "KEY_AGREEMENT")
    own = ec.generate_private_key(ec.SECP384R1())
    der = own.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    derived = kms.derive_shared_secret(KeyId=made["KeyId"], KeyAgreementAlgorithm="ECDH", PublicKey=der)
    assert derived["SharedSecret"] == own.exchange(ec.ECDH(), public_key(kms, made))
    assert derived["KeyOrigin"] == "AWS_KMS"


def test_a_key_has_all_of_aws_metadata(kms, key):
    made = key("ECC_NIST_P256", "SIGN_VERIFY", Description="d")
    created = made.pop("CreationDate")
    assert abs(datetime.datetime.now(created.tzinfo) - created) < datetime.timedelta(minutes=5)
    key_id = made.pop("KeyId")
    assert made.pop("Arn") == f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{key_id}"
    assert made == {
        "AWSAccountId": ACCOUNT,
        "Enabled": True,
        "Description": "d",
        "KeyUsage": "SIGN_VERIFY",
        "KeyState": "Enabled",
        "Origin": "AWS_KMS",
        "KeyManager": "CUSTOMER",
        "CustomerMasterKeySpec": "ECC_NIST_P256",
        "KeySpec": "ECC_NIST_P256",
        "SigningAlgorithms": ["ECDSA_SHA_256"],
        "MultiRegion": False,
    }


def test_keys_aliases_and_tags_come_in_pages(kms, key):
    made = [key(Tags=[{"TagKey": f"t{i}", "TagValue": "v"} for i in range(5)]) for _ in range(3)]
    listed = {
        entry["KeyId"]
        for page in kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 2})
        for entry in page["Keys"]
    }
    assert {entry["KeyId"] for entry in made} <= listed
    names = [f"alias/page-{os.urandom(6).hex()}" for _ in range(3)]
    for name in names:
        kms.create_alias(AliasName=name, TargetKeyId=made[0]["KeyId"])
    pages = kms.get_paginator("list_aliases").paginate(KeyId=made[0]["KeyId"], PaginationConfig={"PageSize": 2})
    found = [alias for page in pages for alias in page["Aliases"]]
    assert sorted(alias["AliasName"] for alias in found) == sorted(names)
    assert all(alias["TargetKeyId"] == made[0]["KeyId"] for alias in found)
    pages = kms.get_paginator("list_resource_tags").paginate(KeyId=made[1]["KeyId"], PaginationConfig={"PageSize": 2})
    tags = [tag["TagKey"] for page in pages for tag in page["Tags"]]
    assert sorted(tags) == [f"t{i}" for i in range(5)]
    for name in names:
        kms.delete_alias(AliasName=name)


def test_a_key_goes_through_its_states(kms, key, refused):
    made = key("ECC_NIST_P256", "SIGN_VERIFY")
    sign = {"KeyId": made["KeyId"], "Message": MESSAGE, "SigningAlgorithm": "ECDSA_SHA_256"}
    kms.disable_key(KeyId=made["KeyId"])
    assert refused(kms.sign, **sign) == ("DisabledException", f"{made['Arn']} is disabled.")
    kms.enable_key(KeyId=made["KeyId"])
    kms.sign(**sign)
    scheduled = kms.schedule_key_deletion(KeyId=made["KeyId"], PendingWindowInDays=7)
    assert (scheduled["KeyState"], scheduled["PendingWindowInDays"]) == ("PendingDeletion", 7)
    wanted = ("KMSInvalidStateException", f"{made['Arn']} is pending deletion.")
    assert refused(kms.sign, **sign) == wanted
    assert refused(kms.get_public_key, KeyId=made["KeyId"]) == wanted
    assert kms.describe_key(KeyId=made["KeyId"])["KeyMetadata"]["DeletionDate"] == scheduled["DeletionDate"]
    kms.cancel_key_deletion(KeyId=made["KeyId"])
    assert kms.describe_key(KeyId=made["KeyId"])["KeyMetadata"]["KeyState"] == "Disabled"


def test_a_dry_run_says_whether_it_would_have_gone(kms, client, key, refused):
    made, symmetric = key("ECC_NIST_P256", "SIGN_VERIFY"), key()
    mac, agree = key("HMAC_256", "GENERATE_VERIFY_MAC"), key("ECC_NIST_P256", "KEY_AGREEMENT")
    sealed = kms.encrypt(KeyId=symmetric["KeyId"], Plaintext=b"m")["CiphertextBlob"]
    sign = {"KeyId": made["KeyId"], "Message": MESSAGE, "SigningAlgorithm": "ECDSA_SHA_256"}
    macs = {"KeyId": mac["KeyId"], "Message": MESSAGE, "MacAlgorithm": "HMAC_SHA_256"}
    peer = kms.get_public_key(KeyId=agree["KeyId"])["PublicKey"]
    principal = f"arn:aws:iam::{ACCOUNT}:user/signer"
    grant = kms.create_grant(KeyId=symmetric["KeyId"], GranteePrincipal=principal, Operations=["Decrypt"])
    of_grant = {"KeyId": symmetric["KeyId"], "GrantId": grant["GrantId"]}
    data = {"KeyId": symmetric["KeyId"]}
    for operation, request in [
        (kms.sign, sign),
        (kms.verify, sign | {"Signature": kms.sign(**sign)["Signature"]}),
        (kms.encrypt, data | {"Plaintext": b"m"}),
        (kms.decrypt, {"CiphertextBlob": sealed}),
        (kms.re_encrypt, {"CiphertextBlob": sealed, "DestinationKeyId": symmetric["KeyId"]}),
        (kms.generate_data_key, data | {"KeySpec": "AES_256"}),
        (kms.generate_data_key_without_plaintext, data | {"KeySpec": "AES_256"}),
        (kms.generate_data_key_pair, data | {"KeyPairSpec": "ECC_NIST_P256"}),
        (kms.generate_data_key_pair_without_plaintext, data | {"KeyPairSpec": "ECC_NIST_P256"}),
        (kms.generate_mac, macs),
        (kms.verify_mac, macs | {"Mac": kms.generate_mac(**macs)["Mac"]}),
        (kms.derive_shared_secret, {"KeyId": agree["KeyId"], "KeyAgreementAlgorithm": "ECDH", "PublicKey": peer}),
        (kms.create_grant, data | {"GranteePrincipal": principal, "Operations": ["Encrypt"]}),
        (kms.retire_grant, of_grant),
        (kms.revoke_grant, of_grant),
    ]:
        assert refused(operation, DryRun=True, **request)[0] == "DryRunOperationException", operation
    assert len(kms.list_grants(KeyId=symmetric["KeyId"])["Grants"]) == 1
    nobody = client(key="nobody")
    assert refused(nobody.sign, DryRun=True, **sign)[0] == "AccessDeniedException"


def test_policies_of_the_caller_are_evaluated(kms, client, key, refused):
    made = key("ECC_NIST_P256", "SIGN_VERIFY")
    locked = key("ECC_NIST_P256", "SIGN_VERIFY", Tags=[{"TagKey": "Locked", "TagValue": "yes"}])
    signer = client(key="signer")
    sign = {"Message": MESSAGE, "SigningAlgorithm": "ECDSA_SHA_256"}
    signer.sign(KeyId=made["KeyId"], **sign)
    code, text = refused(signer.sign, KeyId=locked["KeyId"], **sign)
    assert code == "AccessDeniedException" and "explicit deny" in text
    code, text = refused(signer.disable_key, KeyId=made["KeyId"])
    assert code == "AccessDeniedException" and "no identity-based policy allows the kms:DisableKey action" in text


def test_another_account_needs_the_arn_and_the_key_policy(kms, client, key, refused):
    made = key("ECC_NIST_P256", "SIGN_VERIFY")
    other = client(key="other")
    sign = {"Message": MESSAGE, "SigningAlgorithm": "ECDSA_SHA_256"}
    assert refused(other.sign, KeyId=made["KeyId"], **sign)[0] == "NotFoundException"
    assert refused(other.sign, KeyId=made["Arn"], **sign)[0] == "AccessDeniedException"
    statement = {"Effect": "Allow", "Resource": "*"}
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            statement | {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*"},
            statement | {"Principal": {"AWS": "arn:aws:iam::444455556666:root"}, "Action": "kms:Sign"},
        ],
    }
    kms.put_key_policy(KeyId=made["KeyId"], PolicyName="default", Policy=json.dumps(policy))
    assert other.sign(KeyId=made["Arn"], **sign)["KeyId"] == made["Arn"]
    assert json.loads(kms.get_key_policy(KeyId=made["KeyId"])["Policy"]) == policy


def test_grants_allow_until_they_are_revoked(kms, client, key, refused):
    made = key()
    nobody = client(key="nobody")
    principal = client("sts", key="nobody").get_caller_identity()["Arn"]
    request = {"KeyId": made["KeyId"], "Plaintext": b"m"}
    assert refused(nobody.encrypt, **request)[0] == "AccessDeniedException"
    granted = kms.create_grant(
        KeyId=made["KeyId"],
        GranteePrincipal=principal,
        Operations=["Encrypt"],
        Constraints={"EncryptionContextSubset": {"team": "a"}},
    )
    assert refused(nobody.encrypt, **request)[0] == "AccessDeniedException"
    context = {"team": "a", "more": "b"}
    nobody.encrypt(EncryptionContext=context, GrantTokens=[granted["GrantToken"]], **request)
    grants = kms.list_grants(KeyId=made["KeyId"])["Grants"]
    assert [grant["GrantId"] for grant in grants] == [granted["GrantId"]]
    assert grants[0]["GranteePrincipal"] == principal
    kms.revoke_grant(KeyId=made["KeyId"], GrantId=granted["GrantId"])
    assert refused(nobody.encrypt, EncryptionContext=context, **request)[0] == "AccessDeniedException"


def test_signatures_are_checked(client, refused):
    wrong = client(secret="wrong")
    assert refused(wrong.list_keys)[0] == "InvalidSignatureException"
    unknown = client(key="unknown")
    assert refused(unknown.list_keys)[0] == "UnrecognizedClientException"
    stray = client(token="not a session")
    assert refused(stray.list_keys)[0] == "UnrecognizedClientException"


def test_a_role_is_assumed_with_its_external_id(client, key, refused):
    made = key("ECC_NIST_P256", "SIGN_VERIFY")
    sts = client("sts")
    role = {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/ledger-node", "RoleSessionName": "node"}
    assert refused(sts.assume_role, **role)[0] == "AccessDenied"
    assumed = sts.assume_role(ExternalId="abc", **role)["Credentials"]
    session = {
        "key": assumed["AccessKeyId"],
        "secret": assumed["SecretAccessKey"],
        "token": assumed["SessionToken"],
    }
    arn = client("sts", **session).get_caller_identity()["Arn"]
    assert arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/ledger-node/node"
    node = client(**session)
    node.sign(KeyId=made["KeyId"], Message=MESSAGE, SigningAlgorithm="ECDSA_SHA_256")
    assert refused(node.create_key)[0] == "AccessDeniedException"


@pytest.mark.parametrize("spec", ["SYMMETRIC_DEFAULT", "ECC_NIST_P256", "RSA_2048", "HMAC_256"])
def test_material_is_imported(kms, key, refused, spec):
    usage = {"ECC_NIST_P256": "SIGN_VERIFY", "HMAC_256": "GENERATE_VERIFY_MAC"}.get(spec, "ENCRYPT_DECRYPT")
    made = key(spec, usage, Origin="EXTERNAL")
    assert made["KeyState"] == "PendingImport"
    if spec == "ECC_NIST_P256":
        private = ec.generate_private_key(ec.SECP256R1())
    elif spec == "RSA_2048":
        private = rsa.generate_private_key(65537, 2048)
    else:
        private = None
    material = os.urandom(32)
    if private:
        material = private.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    given = kms.get_parameters_for_import(
        KeyId=made["KeyId"], WrappingAlgorithm="RSA_AES_KEY_WRAP_SHA_256", WrappingKeySpec="RSA_4096"
    )
    wrapping = serialization.load_der_public_key(given["PublicKey"])
    aes = os.urandom(32)
    pad = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
    wrapped = wrapping.encrypt(aes, pad) + aes_key_wrap_with_padding(aes, material)
    kms.import_key_material(
        KeyId=made["KeyId"],
        ImportToken=given["ImportToken"],
        EncryptedKeyMaterial=wrapped,
        ExpirationModel="KEY_MATERIAL_DOES_NOT_EXPIRE",
    )
    described = kms.describe_key(KeyId=made["KeyId"])["KeyMetadata"]
    assert (described["KeyState"], described["ExpirationModel"]) == ("Enabled", "KEY_MATERIAL_DOES_NOT_EXPIRE")
    if spec == "ECC_NIST_P256":
        signature = kms.sign(KeyId=made["KeyId"], Message=MESSAGE, SigningAlgorithm="ECDSA_SHA_256")["Signature"]
        private.public_key().verify(signature, MESSAGE, ec.ECDSA(hashes.SHA256()))
    elif spec == "RSA_2048":
        sealed = kms.encrypt(KeyId=made["KeyId"], Plaintext=MESSAGE, EncryptionAlgorithm="RSAES_OAEP_SHA_256")
        assert private.decrypt(sealed["CiphertextBlob"], pad) == MESSAGE
    elif spec == "HMAC_256":
        mac = kms.generate_mac(KeyId=made["KeyId"], Message=MESSAGE, MacAlgorithm="HMAC_SHA_256")["Mac"]
        own = hmac.HMAC(material, hashes.SHA256())
        own.update(MESSAGE)
        assert own.finalize() == mac
    kms.delete_imported_key_material(KeyId=made["KeyId"])
    assert kms.describe_key(KeyId=made["KeyId"])["KeyMetadata"]["KeyState"] == "PendingImport"
    if spec == "SYMMETRIC_DEFAULT":
        assert refused(kms.encrypt, KeyId=made["KeyId"], Plaintext=b"m")[0] == "KMSInvalidStateException"


def test_replicas_share_id_and_material(kms, client, key):
    made = key("ECC_NIST_P256", "SIGN_VERIFY", MultiRegion=True)
    assert made["KeyId"].startswith("mrk-")
    replica = kms.replicate_key(KeyId=made["KeyId"], ReplicaRegion="eu-west-1")["ReplicaKeyMetadata"]
    assert replica["Arn"] == made["Arn"].replace(REGION, "eu-west-1")
    there = client(region="eu-west-1")
    assert there.get_public_key(KeyId=made["KeyId"])["PublicKey"] == kms.get_public_key(KeyId=made["KeyId"])["PublicKey"]
    configuration = there.describe_key(KeyId=made["KeyId"])["KeyMetadata"]["MultiRegionConfiguration"]
    assert configuration["MultiRegionKeyType"] == "REPLICA"
    assert configuration["PrimaryKey"] == {"Arn": made["Arn"], "Region": REGION}


def test_rotation_keeps_old_ciphertexts_readable(kms, key):
    made = key()
    sealed = kms.encrypt(KeyId=made["KeyId"], Plaintext=MESSAGE)["CiphertextBlob"]
    kms.enable_key_rotation(KeyId=made["KeyId"], RotationPeriodInDays=180)
    assert kms.get_key_rotation_status(KeyId=made["KeyId"])["RotationPeriodInDays"] == 180
    kms.rotate_key_on_demand(KeyId=made["KeyId"])
    described = kms.describe_key(KeyId=made["KeyId"])["KeyMetadata"]
    assert described["CurrentKeyMaterialId"] != made["CurrentKeyMaterialId"]
    rotations = kms.list_key_rotations(KeyId=made["KeyId"])["Rotations"]
    assert [rotation["RotationType"] for rotation in rotations] == ["ON_DEMAND"]
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == MESSAGE


def test_the_sdk_retries_what_faults_break(client, faults):
    kms = client(retries={"max_attempts": 3, "mode": "standard"})
    for kind in ["throttle", "internal_error", "reset_before"]:
        faults({"operation": "ListKeys", "count": 1, "kind": kind})
        answer = kms.list_keys(Limit=1)
        assert answer["ResponseMetadata"]["RetryAttempts"] == 1, kind
    faults({"operation": "GenerateRandom", "count": 1, "kind": "slow_body", "chunk": 7, "ms": 1})
    assert len(kms.generate_random(NumberOfBytes=64)["Plaintext"]) == 64


def test_answers_carry_aws_headers(kms):
    headers = kms.list_keys(Limit=1)["ResponseMetadata"]["HTTPHeaders"]
    assert headers["content-type"] == "application/x-amz-json-1.1"
    assert headers["x-amzn-requestid"]


def test_a_grant_token_is_base64(kms, key):
    made = key()
    principal = f"arn:aws:iam::{ACCOUNT}:user/signer"
    granted = kms.create_grant(KeyId=made["KeyId"], GranteePrincipal=principal, Operations=["Decrypt"])
    assert base64.b64decode(granted["GrantToken"], validate=True)
    kms.retire_grant(GrantToken=granted["GrantToken"])
    assert kms.list_grants(KeyId=made["KeyId"])["Grants"] == []
