"""The service model that AWS publishes with botocore, member by member, against the server.

For each operation and each constrained member one request violates exactly that constraint; the server must refuse it
in AWS's words. The model comes with the installed botocore; nothing of it is in this repository.
"""

import base64
import json
import re

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.session
import pytest
import urllib3
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from conftest import ENDPOINT, REGION

MODEL = botocore.session.get_session().get_service_model("kms")
HTTP = urllib3.PoolManager()

# What the server answers as unsupported, as its documentation says.
UNSUPPORTED = {
    "ConnectCustomKeyStore",
    "CreateCustomKeyStore",
    "Decapsulate",
    "DeleteCustomKeyStore",
    "DescribeCustomKeyStores",
    "DisconnectCustomKeyStore",
    "Encapsulate",
    "GetKeyLastUsage",
    "UpdateCustomKeyStore",
}
SUPPORTED = [name for name in MODEL.operation_names if name not in UNSUPPORTED]
# Members of features that are not played: a request with one is refused as unsupported.
UNPLAYED = {"Recipient", "CustomKeyStoreId", "XksKeyId"}
ANY_KEY = "1234abcd-12ab-34cd-56ef-1234567890ab"


def send(operation, body):
    """A signed request with any body; gives back status, name and text of the answer."""
    request = botocore.awsrequest.AWSRequest(
        "POST",
        ENDPOINT + "/",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"TrentService.{operation}"},
    )
    credentials = botocore.credentials.Credentials("test", "test")
    botocore.auth.SigV4Auth(credentials, "kms", REGION).add_auth(request)
    answer = HTTP.request("POST", request.url, body=request.data, headers=dict(request.headers))
    body = json.loads(answer.data) if answer.data else {}
    return answer.status, body.get("__type"), body.get("message", body.get("Message", "")), body


def sample(shape, name=""):
    """A value that the model allows."""
    if shape.type_name == "structure":
        return {member: sample(shape.members[member], member) for member in shape.required_members}
    if shape.type_name == "list":
        return [sample(shape.member)]
    if shape.type_name == "map":
        return {"a": "b"}
    if shape.type_name == "blob":
        return base64.b64encode(b"x").decode()
    if shape.type_name == "boolean":
        return False
    if shape.type_name in ("integer", "long"):
        return shape.metadata.get("min", 1)
    if shape.type_name == "timestamp":
        return 4102444800
    if shape.enum:
        return shape.enum[0]
    return {
        "KeyId": ANY_KEY,
        "TargetKeyId": ANY_KEY,
        "SourceKeyId": ANY_KEY,
        "DestinationKeyId": ANY_KEY,
        "AliasName": "alias/model",
        "GranteePrincipal": "arn:aws:iam::000000000000:user/signer",
        "RetiringPrincipal": "arn:aws:iam::000000000000:user/signer",
        "ReplicaRegion": "eu-west-1",
        "PrimaryRegion": "eu-west-1",
        "Policy": "{}",
    }.get(name, "x" * max(1, shape.metadata.get("min", 1)))


def lower(path):
    return ".".join(part if part == "member" else part[0].lower() + part[1:] for part in path.split("."))


def violations(shape, path):
    """Values that break one constraint, with where and in which words AWS says so."""
    bounds = shape.metadata
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            if name in UNPLAYED:
                continue
            inner = f"{path}.{name}" if path else name
            base = sample(shape)
            for value, where, words in violations(member, inner):
                yield base | {name: value}, where, words
            if name in shape.required_members:
                yield {k: v for k, v in base.items() if k != name}, lower(inner), "Member must not be null"
    elif shape.type_name == "list":
        if "max" in bounds:
            many = [sample(shape.member)] * (bounds["max"] + 1)
            yield many, lower(path), f"Member must have length less than or equal to {bounds['max']}"
        if getattr(shape.member, "enum", None):
            words = "Member must satisfy constraint: [Member must satisfy enum value set: ["
            yield ["NO_SUCH_NAME"], lower(path), words
            return
        for value, where, words in violations(shape.member, f"{path}.1.member"):
            yield [value], where, words
    elif shape.type_name == "blob":
        if "max" in bounds:
            long = base64.b64encode(b"x" * (bounds["max"] + 1)).decode()
            yield long, lower(path), f"Member must have length less than or equal to {bounds['max']}"
        if bounds.get("min"):
            yield "", lower(path), f"Member must have length greater than or equal to {bounds['min']}"
    elif shape.type_name in ("integer", "long"):
        if "min" in bounds:
            yield bounds["min"] - 1, lower(path), "Member must have value greater than or equal to"
        if "max" in bounds:
            yield bounds["max"] + 1, lower(path), "Member must have value less than or equal to"
    elif shape.type_name == "string":
        if shape.enum:
            yield "NO_SUCH_NAME", lower(path), "Member must satisfy enum value set: ["
            return
        if "max" in bounds:
            yield "a" * (bounds["max"] + 1), lower(path), f"Member must have length less than or equal to {bounds['max']}"
        if bounds.get("min"):
            short = "a" * (bounds["min"] - 1)
            yield short, lower(path), f"Member must have length greater than or equal to {bounds['min']}"
        pattern = shape.serialization.get("pattern") or MODEL._shape_resolver._shape_map[shape.name].get("pattern")
        if pattern:
            wrong = "\u0416" * max(1, bounds.get("min", 1))
            assert not re.fullmatch(pattern, wrong, re.ASCII)
            yield wrong, lower(path), "Member must satisfy regular expression pattern: " + pattern


def cases():
    for name in SUPPORTED:
        shape = MODEL.operation_model(name).input_shape
        if shape is not None:
            for body, where, words in violations(shape, ""):
                yield pytest.param(name, body, where, words, id=f"{name}-{where}-{words.split('equal')[0][12:40]}")


@pytest.mark.parametrize("operation,body,where,words", list(cases()))
def test_each_constraint_is_refused_in_aws_words(operation, body, where, words):
    status, code, text, _ = send(operation, body)
    assert (status, code) == (400, "ValidationException"), text
    # AWS narrows the waiting period more than its model does, in words of its own.
    if where in text or where != "pendingWindowInDays":
        assert f"at '{where}' failed to satisfy constraint: " in text
        assert words in text
    assert re.match(r"\d+ validation errors? detected: ", text)


@pytest.mark.parametrize("operation", SUPPORTED)
def test_a_wrong_type_is_a_serialization_error(operation):
    shape = MODEL.operation_model(operation).input_shape
    for name, member in shape.members.items():
        if name in UNPLAYED:
            continue
        wrong = "x" if member.type_name in ("structure", "list", "map", "boolean", "integer") else {"a": 1}
        status, code, _, _ = send(operation, sample(shape) | {name: wrong})
        assert (status, code) == (400, "SerializationException"), name


@pytest.mark.parametrize("operation", SUPPORTED)
def test_an_unknown_member_is_passed_over(operation):
    shape = MODEL.operation_model(operation).input_shape
    body = sample(shape)
    assert send(operation, body)[1] == send(operation, body | {"NoSuchMember": 1})[1]


@pytest.mark.parametrize("operation", sorted(UNSUPPORTED))
def test_what_is_not_played_is_unsupported(operation):
    shape = MODEL.operation_model(operation).input_shape
    assert send(operation, sample(shape))[1] == "UnsupportedOperationException"


def test_every_refusal_is_one_that_the_model_declares():
    common = {"ValidationException", "AccessDeniedException", "SerializationException", "NotAuthorizedException"}
    for name in SUPPORTED:
        operation = MODEL.operation_model(name)
        body = sample(operation.input_shape)
        status, code, _, _ = send(name, body)
        if status != 200:
            declared = {shape.name for shape in operation.error_shapes} | common
            assert code in declared, f"{name}: {code}"


def undeclared(shape, value, path):
    """Members of an answer that the model does not have."""
    if shape.type_name == "structure" and isinstance(value, dict):
        for name, inner in value.items():
            if name not in shape.members:
                yield f"{path}.{name}"
            else:
                yield from undeclared(shape.members[name], inner, f"{path}.{name}")
    elif shape.type_name == "list" and isinstance(value, list):
        for inner in value:
            yield from undeclared(shape.member, inner, f"{path}[]")
    elif getattr(shape, "enum", None) and value not in shape.enum:
        yield f"{path}={value}"


def test_answers_hold_only_what_the_model_declares():
    """One life of keys, every answer checked member by member, enums by their names."""
    seen = set()

    def ok(operation, **body):
        status, code, text, answer = send(operation, body)
        assert status == 200, f"{operation}: {code}: {text}"
        seen.add(operation)
        shape = MODEL.operation_model(operation).output_shape
        if shape is None:
            assert answer == {}, operation
        else:
            assert list(undeclared(shape, answer, operation)) == []
        return answer

    blob = base64.b64encode(b"x" * 32).decode()
    principal = "arn:aws:iam::000000000000:user/signer"
    symmetric = ok("CreateKey", MultiRegion=True, Tags=[{"TagKey": "a", "TagValue": "b"}])["KeyMetadata"]["KeyId"]
    signer = ok("CreateKey", KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    mac = ok("CreateKey", KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")["KeyMetadata"]["KeyId"]
    agree = ok("CreateKey", KeySpec="ECC_NIST_P256", KeyUsage="KEY_AGREEMENT")["KeyMetadata"]["KeyId"]
    external = ok("CreateKey", Origin="EXTERNAL")["KeyMetadata"]["KeyId"]
    ok("CreateAlias", AliasName="alias/model-life", TargetKeyId=signer)
    ok("UpdateAlias", AliasName="alias/model-life", TargetKeyId=signer)
    ok("ListAliases", KeyId=signer)
    ok("DescribeKey", KeyId="alias/model-life")
    ok("DeleteAlias", AliasName="alias/model-life")
    ok("UpdateKeyDescription", KeyId=signer, Description="d")
    ok("TagResource", KeyId=signer, Tags=[{"TagKey": "c", "TagValue": "d"}])
    ok("ListResourceTags", KeyId=signer)
    ok("UntagResource", KeyId=signer, TagKeys=["c"])
    policy = ok("GetKeyPolicy", KeyId=signer)["Policy"]
    ok("PutKeyPolicy", KeyId=signer, Policy=policy)
    ok("ListKeyPolicies", KeyId=signer)
    ok("ListKeys", Limit=1)
    ok("GetPublicKey", KeyId=signer)
    signed = ok("Sign", KeyId=signer, Message=blob, SigningAlgorithm="ECDSA_SHA_256")["Signature"]
    ok("Verify", KeyId=signer, Message=blob, SigningAlgorithm="ECDSA_SHA_256", Signature=signed)
    sealed = ok("Encrypt", KeyId=symmetric, Plaintext=blob)["CiphertextBlob"]
    ok("Decrypt", CiphertextBlob=sealed)
    ok("ReEncrypt", CiphertextBlob=sealed, DestinationKeyId=symmetric)
    ok("GenerateDataKey", KeyId=symmetric, KeySpec="AES_128")
    ok("GenerateDataKeyWithoutPlaintext", KeyId=symmetric, KeySpec="AES_128")
    ok("GenerateDataKeyPair", KeyId=symmetric, KeyPairSpec="ECC_NIST_P256")
    ok("GenerateDataKeyPairWithoutPlaintext", KeyId=symmetric, KeyPairSpec="ECC_NIST_P256")
    ok("GenerateRandom", NumberOfBytes=8)
    code = ok("GenerateMac", KeyId=mac, Message=blob, MacAlgorithm="HMAC_SHA_256")["Mac"]
    ok("VerifyMac", KeyId=mac, Message=blob, MacAlgorithm="HMAC_SHA_256", Mac=code)
    peer = ok("GetPublicKey", KeyId=agree)["PublicKey"]
    ok("DeriveSharedSecret", KeyId=agree, KeyAgreementAlgorithm="ECDH", PublicKey=peer)
    grant = ok("CreateGrant", KeyId=symmetric, GranteePrincipal=principal, RetiringPrincipal=principal, Operations=["Decrypt"])
    ok("ListGrants", KeyId=symmetric)
    ok("ListRetirableGrants", RetiringPrincipal=principal)
    ok("RevokeGrant", KeyId=symmetric, GrantId=grant["GrantId"])
    grant = ok("CreateGrant", KeyId=symmetric, GranteePrincipal=principal, Operations=["Decrypt"])
    ok("RetireGrant", GrantToken=grant["GrantToken"])
    ok("EnableKeyRotation", KeyId=symmetric, RotationPeriodInDays=90)
    ok("GetKeyRotationStatus", KeyId=symmetric)
    ok("DisableKeyRotation", KeyId=symmetric)
    ok("RotateKeyOnDemand", KeyId=symmetric)
    ok("ListKeyRotations", KeyId=symmetric, IncludeKeyMaterial="ALL_KEY_MATERIAL")
    ok("ReplicateKey", KeyId=symmetric, ReplicaRegion="eu-west-1")
    ok("UpdatePrimaryRegion", KeyId=symmetric, PrimaryRegion="eu-west-1")
    given = ok("GetParametersForImport", KeyId=external, WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_2048")
    wrapping = serialization.load_der_public_key(base64.b64decode(given["PublicKey"]))
    pad = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
    ok(
        "ImportKeyMaterial",
        KeyId=external,
        ImportToken=given["ImportToken"],
        EncryptedKeyMaterial=base64.b64encode(wrapping.encrypt(b"k" * 32, pad)).decode(),
        ExpirationModel="KEY_MATERIAL_DOES_NOT_EXPIRE",
    )
    ok("DescribeKey", KeyId=external)
    ok("DeleteImportedKeyMaterial", KeyId=external)
    ok("DisableKey", KeyId=signer)
    ok("EnableKey", KeyId=signer)
    ok("ScheduleKeyDeletion", KeyId=signer, PendingWindowInDays=7)
    ok("DescribeKey", KeyId=signer)
    ok("CancelKeyDeletion", KeyId=signer)
    assert seen == set(SUPPORTED)
