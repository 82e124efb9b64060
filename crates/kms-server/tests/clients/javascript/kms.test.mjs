// The AWS SDK for JavaScript against the server, with node:crypto as the other side.

import assert from "node:assert/strict";
import crypto from "node:crypto";
import { test } from "node:test";
import {
  CreateAliasCommand,
  CreateGrantCommand,
  CreateKeyCommand,
  DecryptCommand,
  DeleteAliasCommand,
  DeriveSharedSecretCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  DryRunOperationException,
  EncryptCommand,
  GenerateDataKeyCommand,
  GenerateDataKeyPairCommand,
  GenerateMacCommand,
  GenerateRandomCommand,
  GetParametersForImportCommand,
  GetPublicKeyCommand,
  ImportKeyMaterialCommand,
  KMSClient,
  KMSInvalidSignatureException,
  ListKeysCommand,
  NotFoundException,
  paginateListKeys,
  paginateListResourceTags,
  ReEncryptCommand,
  ReplicateKeyCommand,
  ScheduleKeyDeletionCommand,
  SignCommand,
  VerifyCommand,
  VerifyMacCommand,
} from "@aws-sdk/client-kms";
import { AssumeRoleCommand, GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";

const endpoint = process.env.AWS_ENDPOINT_URL;
const region = "us-east-1";
const account = "000000000000";
const message = Buffer.from("transfer 100 to Alice");

function options(key = "test", secret = key === "test" ? key : `${key}-secret`, more = {}) {
  const credentials = { accessKeyId: key, secretAccessKey: secret, ...more.credentials };
  return { endpoint, region: more.region ?? region, credentials, maxAttempts: more.maxAttempts ?? 1 };
}

const kms = new KMSClient(options());
const send = (command) => kms.send(command);

async function create(KeySpec = "SYMMETRIC_DEFAULT", KeyUsage = "ENCRYPT_DECRYPT", more = {}) {
  const { KeyMetadata } = await send(new CreateKeyCommand({ KeySpec, KeyUsage, ...more }));
  return KeyMetadata;
}

async function publicKey(KeyId) {
  const { PublicKey } = await send(new GetPublicKeyCommand({ KeyId }));
  return crypto.createPublicKey({ key: Buffer.from(PublicKey), format: "der", type: "spki" });
}

async function refused(sent, name) {
  await assert.rejects(sent, (error) => {
    assert.equal(error.name, name, error.message);
    return true;
  });
}

for (const [spec, algorithm, hash] of [
  ["ECC_NIST_P256", "ECDSA_SHA_256", "sha256"],
  ["ECC_NIST_P384", "ECDSA_SHA_384", "sha384"],
  ["ECC_NIST_P521", "ECDSA_SHA_512", "sha512"],
  ["ECC_SECG_P256K1", "ECDSA_SHA_256", "sha256"],
  ["RSA_2048", "RSASSA_PKCS1_V1_5_SHA_256", "sha256"],
  ["RSA_2048", "RSASSA_PSS_SHA_512", "sha512"],
]) {
  test(`${spec} signs with ${algorithm}, messages and digests`, async () => {
    const { KeyId } = await create(spec, "SIGN_VERIFY");
    const key = await publicKey(KeyId);
    const options = algorithm.includes("PSS")
      ? { key, padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: crypto.constants.RSA_PSS_SALTLEN_DIGEST }
      : key;
    const digest = crypto.createHash(hash).update(message).digest();
    for (const [Message, MessageType] of [[message, "RAW"], [digest, "DIGEST"]]) {
      const request = { KeyId, Message, MessageType, SigningAlgorithm: algorithm };
      const { Signature } = await send(new SignCommand(request));
      assert.ok(crypto.verify(hash, message, options, Signature));
      const { SignatureValid } = await send(new VerifyCommand({ ...request, Signature }));
      assert.equal(SignatureValid, true);
    }
  });
}

test("Ed25519 signs messages", async () => {
  const { KeyId } = await create("ECC_NIST_EDWARDS25519", "SIGN_VERIFY");
  const request = { KeyId, Message: message, SigningAlgorithm: "ED25519_SHA_512" };
  const { Signature } = await send(new SignCommand(request));
  assert.ok(crypto.verify(null, message, await publicKey(KeyId), Signature));
});

test("a wrong signature is a typed exception", async () => {
  const { KeyId } = await create("ECC_NIST_P256", "SIGN_VERIFY");
  const request = { KeyId, Message: message, SigningAlgorithm: "ECDSA_SHA_256", Signature: Buffer.from("x") };
  await assert.rejects(send(new VerifyCommand(request)), KMSInvalidSignatureException);
});

test("a ciphertext made with the public key is decrypted", async () => {
  const { KeyId } = await create("RSA_2048", "ENCRYPT_DECRYPT");
  const key = await publicKey(KeyId);
  for (const [EncryptionAlgorithm, oaepHash] of [["RSAES_OAEP_SHA_1", "sha1"], ["RSAES_OAEP_SHA_256", "sha256"]]) {
    const outside = crypto.publicEncrypt({ key, oaepHash }, message);
    const { Plaintext } = await send(new DecryptCommand({ KeyId, CiphertextBlob: outside, EncryptionAlgorithm }));
    assert.deepEqual(Buffer.from(Plaintext), message);
  }
  const request = { KeyId, CiphertextBlob: Buffer.alloc(256), EncryptionAlgorithm: "RSAES_OAEP_SHA_256" };
  await refused(send(new DecryptCommand(request)), "InvalidCiphertextException");
});

test("symmetric ciphertexts are bound to their context and move to another key", async () => {
  const [one, other] = [await create(), await create()];
  const EncryptionContext = { purpose: "test" };
  const { CiphertextBlob } = await send(new EncryptCommand({ KeyId: one.KeyId, Plaintext: message, EncryptionContext }));
  await refused(send(new DecryptCommand({ CiphertextBlob })), "InvalidCiphertextException");
  const opened = await send(new DecryptCommand({ CiphertextBlob, EncryptionContext }));
  assert.deepEqual(Buffer.from(opened.Plaintext), message);
  assert.equal(opened.KeyId, one.Arn);
  const moved = await send(
    new ReEncryptCommand({ CiphertextBlob, SourceEncryptionContext: EncryptionContext, DestinationKeyId: other.KeyId }),
  );
  assert.deepEqual([moved.SourceKeyId, moved.KeyId], [one.Arn, other.Arn]);
});

test("data keys, pairs and random bytes", async () => {
  const { KeyId } = await create();
  const data = await send(new GenerateDataKeyCommand({ KeyId, KeySpec: "AES_256" }));
  const opened = await send(new DecryptCommand({ CiphertextBlob: data.CiphertextBlob }));
  assert.deepEqual(opened.Plaintext, data.Plaintext);
  const pair = await send(new GenerateDataKeyPairCommand({ KeyId, KeyPairSpec: "ECC_NIST_P384" }));
  const key = crypto.createPrivateKey({ key: Buffer.from(pair.PrivateKeyPlaintext), format: "der", type: "pkcs8" });
  const spki = crypto.createPublicKey(key).export({ format: "der", type: "spki" });
  assert.deepEqual(spki, Buffer.from(pair.PublicKey));
  assert.equal((await send(new GenerateRandomCommand({ NumberOfBytes: 9 }))).Plaintext.length, 9);
});

test("MACs verify", async () => {
  const { KeyId } = await create("HMAC_256", "GENERATE_VERIFY_MAC");
  const request = { KeyId, Message: message, MacAlgorithm: "HMAC_SHA_256" };
  const { Mac } = await send(new GenerateMacCommand(request));
  assert.equal((await send(new VerifyMacCommand({ ...request, Mac }))).MacValid, true);
  await refused(send(new VerifyMacCommand({ ...request, Mac: Buffer.alloc(32) })), "KMSInvalidMacException");
});

test("a shared secret is the peer's too", async () => {
  const { KeyId } = await create("ECC_NIST_P256", "KEY_AGREEMENT");
  const own = crypto.generateKeyPairSync("ec", { namedCurve: "P-256" });
  const PublicKey = own.publicKey.export({ format: "der", type: "spki" });
  const derived = await send(new DeriveSharedSecretCommand({ KeyId, KeyAgreementAlgorithm: "ECDH", PublicKey }));
  const secret = crypto.diffieHellman({ privateKey: own.privateKey, publicKey: await publicKey(KeyId) });
  assert.deepEqual(Buffer.from(derived.SharedSecret), secret);
});

test("an elliptic curve key is imported", async () => {
  const { KeyId } = await create("ECC_NIST_P256", "SIGN_VERIFY", { Origin: "EXTERNAL" });
  const own = crypto.generateKeyPairSync("ec", { namedCurve: "P-256" });
  const WrappingAlgorithm = "RSAES_OAEP_SHA_256";
  const given = await send(new GetParametersForImportCommand({ KeyId, WrappingAlgorithm, WrappingKeySpec: "RSA_4096" }));
  const key = crypto.createPublicKey({ key: Buffer.from(given.PublicKey), format: "der", type: "spki" });
  const material = own.privateKey.export({ format: "der", type: "pkcs8" });
  await send(
    new ImportKeyMaterialCommand({
      KeyId,
      ImportToken: given.ImportToken,
      EncryptedKeyMaterial: crypto.publicEncrypt({ key, oaepHash: "sha256" }, material),
      ExpirationModel: "KEY_MATERIAL_EXPIRES",
      ValidTo: new Date(Date.now() + 86_400_000),
    }),
  );
  const { Signature } = await send(new SignCommand({ KeyId, Message: message, SigningAlgorithm: "ECDSA_SHA_256" }));
  assert.ok(crypto.verify("sha256", message, own.publicKey, Signature));
  const { KeyMetadata } = await send(new DescribeKeyCommand({ KeyId }));
  assert.equal(KeyMetadata.ExpirationModel, "KEY_MATERIAL_EXPIRES");
  assert.ok(KeyMetadata.ValidTo instanceof Date);
});

test("paginators walk keys and tags", async () => {
  const Tags = [1, 2, 3].map((n) => ({ TagKey: `t${n}`, TagValue: "v" }));
  const made = [await create("HMAC_224", "GENERATE_VERIFY_MAC", { Tags }), await create()];
  const seen = new Set();
  for await (const page of paginateListKeys({ client: kms, pageSize: 2 }, {})) {
    for (const key of page.Keys) seen.add(key.KeyId);
  }
  assert.ok(made.every((key) => seen.has(key.KeyId)));
  const tags = [];
  for await (const page of paginateListResourceTags({ client: kms, pageSize: 2 }, { KeyId: made[0].KeyId })) {
    tags.push(...page.Tags.map((tag) => tag.TagKey));
  }
  assert.deepEqual(tags.sort(), ["t1", "t2", "t3"]);
});

test("aliases, states and errors are typed", async () => {
  const { KeyId, Arn } = await create("ECC_NIST_P256", "SIGN_VERIFY");
  const AliasName = `alias/js-${crypto.randomUUID()}`;
  await send(new CreateAliasCommand({ AliasName, TargetKeyId: KeyId }));
  assert.equal((await send(new DescribeKeyCommand({ KeyId: AliasName }))).KeyMetadata.Arn, Arn);
  await send(new DeleteAliasCommand({ AliasName }));
  await assert.rejects(send(new DescribeKeyCommand({ KeyId: AliasName })), NotFoundException);
  const sign = { KeyId, Message: message, SigningAlgorithm: "ECDSA_SHA_256" };
  await assert.rejects(send(new SignCommand({ ...sign, DryRun: true })), DryRunOperationException);
  await send(new DisableKeyCommand({ KeyId }));
  await refused(send(new SignCommand(sign)), "DisabledException");
  await send(new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 7 }));
  await refused(send(new SignCommand(sign)), "KMSInvalidStateException");
  await refused(send(new EncryptCommand({ KeyId, Plaintext: message })), "KMSInvalidStateException");
});

test("replicas share the public key", async () => {
  const { KeyId } = await create("ECC_NIST_P256", "SIGN_VERIFY", { MultiRegion: true });
  await send(new ReplicateKeyCommand({ KeyId, ReplicaRegion: "ap-southeast-2" }));
  const there = new KMSClient(options("test", "test", { region: "ap-southeast-2" }));
  const { PublicKey } = await there.send(new GetPublicKeyCommand({ KeyId }));
  assert.deepEqual(PublicKey, (await send(new GetPublicKeyCommand({ KeyId }))).PublicKey);
});

test("callers, grants and roles", async () => {
  const { KeyId } = await create("ECC_NIST_P256", "SIGN_VERIFY");
  const sign = { KeyId, Message: message, SigningAlgorithm: "ECDSA_SHA_256" };
  await new KMSClient(options("signer")).send(new SignCommand(sign));
  const nobody = new KMSClient(options("nobody"));
  await refused(nobody.send(new SignCommand(sign)), "AccessDeniedException");
  const GranteePrincipal = `arn:aws:iam::${account}:user/nobody`;
  const granted = await send(new CreateGrantCommand({ KeyId, GranteePrincipal, Operations: ["Sign"] }));
  await nobody.send(new SignCommand({ ...sign, GrantTokens: [granted.GrantToken] }));
  await refused(new KMSClient(options("test", "wrong")).send(new ListKeysCommand({})), "InvalidSignatureException");
  const sts = new STSClient(options());
  const role = { RoleArn: `arn:aws:iam::${account}:role/ledger-node`, RoleSessionName: "js", ExternalId: "abc" };
  const { Credentials } = await sts.send(new AssumeRoleCommand(role));
  const credentials = { sessionToken: Credentials.SessionToken };
  const session = options(Credentials.AccessKeyId, Credentials.SecretAccessKey, { credentials });
  await new KMSClient(session).send(new SignCommand(sign));
  const identity = await new STSClient(session).send(new GetCallerIdentityCommand({}));
  assert.equal(identity.Arn, `arn:aws:sts::${account}:assumed-role/ledger-node/js`);
});

test("the SDK retries what faults break", async () => {
  const retrying = new KMSClient(options("test", "test", { maxAttempts: 3 }));
  for (const kind of ["throttle", "internal_error", "reset_before"]) {
    const body = JSON.stringify([{ operation: "ListKeys", count: 1, kind }]);
    assert.ok((await fetch(`${endpoint}/_cantle/faults`, { method: "PUT", body })).ok);
    const answer = await retrying.send(new ListKeysCommand({ Limit: 1 }));
    assert.equal(answer.$metadata.attempts, 2, kind);
    assert.ok(answer.$metadata.requestId);
  }
});
