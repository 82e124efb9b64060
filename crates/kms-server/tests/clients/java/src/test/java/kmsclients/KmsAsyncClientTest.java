package kmsclients;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.MGF1ParameterSpec;
import java.security.spec.X509EncodedKeySpec;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import javax.crypto.Cipher;
import javax.crypto.spec.OAEPParameterSpec;
import javax.crypto.spec.PSource;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.AwsCredentialsProvider;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.http.nio.netty.NettyNioAsyncHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.kms.KmsAsyncClient;
import software.amazon.awssdk.services.kms.model.CreateKeyRequest;
import software.amazon.awssdk.services.kms.model.DisabledException;
import software.amazon.awssdk.services.kms.model.DryRunOperationException;
import software.amazon.awssdk.services.kms.model.EncryptionAlgorithmSpec;
import software.amazon.awssdk.services.kms.model.InvalidCiphertextException;
import software.amazon.awssdk.services.kms.model.InvalidKeyUsageException;
import software.amazon.awssdk.services.kms.model.KeyMetadata;
import software.amazon.awssdk.services.kms.model.KeySpec;
import software.amazon.awssdk.services.kms.model.KeyState;
import software.amazon.awssdk.services.kms.model.KeyUsageType;
import software.amazon.awssdk.services.kms.model.KmsException;
import software.amazon.awssdk.services.kms.model.KmsInvalidStateException;
import software.amazon.awssdk.services.kms.model.MessageType;
import software.amazon.awssdk.services.kms.model.NotFoundException;
import software.amazon.awssdk.services.kms.model.SigningAlgorithmSpec;
import software.amazon.awssdk.services.kms.model.Tag;
import software.amazon.awssdk.services.sts.StsAsyncClient;
import software.amazon.awssdk.services.sts.model.Credentials;
import software.amazon.awssdk.auth.credentials.AwsSessionCredentials;

/** The asynchronous AWS SDK for Java over netty, as a Canton node uses it; the JDK's cryptography is the other side. */
final class KmsAsyncClientTest {
  private static final String ENDPOINT = System.getenv("AWS_ENDPOINT_URL");
  private static final byte[] MESSAGE = "transfer 100 to Alice".getBytes(StandardCharsets.UTF_8);
  private static final KmsAsyncClient KMS = client("test", "test");

  private static KmsAsyncClient client(String key, String secret) {
    return client(StaticCredentialsProvider.create(AwsBasicCredentials.create(key, secret)));
  }

  private static KmsAsyncClient client(AwsCredentialsProvider credentials) {
    return KmsAsyncClient.builder()
        .region(Region.US_EAST_1)
        .endpointOverride(URI.create(ENDPOINT))
        .credentialsProvider(credentials)
        .httpClientBuilder(NettyNioAsyncHttpClient.builder())
        .build();
  }

  @AfterAll
  static void close() {
    KMS.close();
  }

  private static KeyMetadata create(KeySpec spec, KeyUsageType usage) {
    return KMS.createKey(CreateKeyRequest.builder().keySpec(spec).keyUsage(usage).build()).join().keyMetadata();
  }

  private static PublicKey publicKey(KeyMetadata key, String family) throws GeneralSecurityException {
    var given = KMS.getPublicKey(request -> request.keyId(key.keyId())).join();
    assertEquals(key.keySpec(), given.keySpec());
    assertEquals(key.arn(), given.keyId());
    return KeyFactory.getInstance(family).generatePublic(new X509EncodedKeySpec(given.publicKey().asByteArray()));
  }

  private static <T extends Throwable> T refused(Class<T> kind, CompletableFuture<?> answer) {
    return assertInstanceOf(kind, assertThrows(CompletionException.class, answer::join).getCause());
  }

  @ParameterizedTest
  @CsvSource({
    "ECC_NIST_P256, ECDSA_SHA_256, EC, SHA256withECDSA, SHA-256",
    "ECC_NIST_P384, ECDSA_SHA_384, EC, SHA384withECDSA, SHA-384",
    "ECC_NIST_P521, ECDSA_SHA_512, EC, SHA512withECDSA, SHA-512",
    "RSA_2048, RSASSA_PKCS1_V1_5_SHA_256, RSA, SHA256withRSA, SHA-256",
  })
  void signsMessagesAndDigests(String spec, String algorithm, String family, String scheme, String hash)
      throws GeneralSecurityException {
    var key = create(KeySpec.fromValue(spec), KeyUsageType.SIGN_VERIFY);
    var digest = MessageDigest.getInstance(hash).digest(MESSAGE);
    for (var type : List.of(MessageType.RAW, MessageType.DIGEST)) {
      var message = type == MessageType.RAW ? MESSAGE : digest;
      var signed =
          KMS.sign(
                  request ->
                      request
                          .keyId(key.keyId())
                          .message(SdkBytes.fromByteArray(message))
                          .messageType(type)
                          .signingAlgorithm(SigningAlgorithmSpec.fromValue(algorithm)))
              .join();
      assertEquals(key.arn(), signed.keyId());
      var verifier = Signature.getInstance(scheme);
      verifier.initVerify(publicKey(key, family));
      verifier.update(MESSAGE);
      assertTrue(verifier.verify(signed.signature().asByteArray()), type.toString());
    }
  }

  @Test
  void decryptsWhatThePublicKeyEncrypted() throws GeneralSecurityException {
    var key = create(KeySpec.RSA_2048, KeyUsageType.ENCRYPT_DECRYPT);
    var cipher = Cipher.getInstance("RSA/ECB/OAEPPadding");
    var oaep = new OAEPParameterSpec("SHA-256", "MGF1", MGF1ParameterSpec.SHA256, PSource.PSpecified.DEFAULT);
    cipher.init(Cipher.ENCRYPT_MODE, publicKey(key, "RSA"), oaep);
    var ciphertext = cipher.doFinal(MESSAGE);
    var opened =
        KMS.decrypt(
                request ->
                    request
                        .keyId(key.keyId())
                        .ciphertextBlob(SdkBytes.fromByteArray(ciphertext))
                        .encryptionAlgorithm(EncryptionAlgorithmSpec.RSAES_OAEP_SHA_256))
            .join();
    assertArrayEquals(MESSAGE, opened.plaintext().asByteArray());
    ciphertext[7] ^= 1;
    refused(
        InvalidCiphertextException.class,
        KMS.decrypt(
            request ->
                request
                    .keyId(key.keyId())
                    .ciphertextBlob(SdkBytes.fromByteArray(ciphertext))
                    .encryptionAlgorithm(EncryptionAlgorithmSpec.RSAES_OAEP_SHA_256)));
  }

  @Test
  void wrapsUnderASymmetricKey() {
    var key = create(KeySpec.SYMMETRIC_DEFAULT, KeyUsageType.ENCRYPT_DECRYPT);
    var sealed =
        KMS.encrypt(request -> request.keyId(key.keyId()).plaintext(SdkBytes.fromByteArray(MESSAGE))).join();
    var opened =
        KMS.decrypt(request -> request.keyId(key.keyId()).ciphertextBlob(sealed.ciphertextBlob())).join();
    assertArrayEquals(MESSAGE, opened.plaintext().asByteArray());
  }

  @Test
  void describesAKeyAsANodeChecksIt() {
    var tag = Tag.builder().tagKey("CreatedBy").tagValue("Cantle").build();
    var request =
        CreateKeyRequest.builder()
            .keySpec(KeySpec.ECC_NIST_P256)
            .keyUsage(KeyUsageType.SIGN_VERIFY)
            .multiRegion(true)
            .description("signing key")
            .tags(tag)
            .build();
    var made = KMS.createKey(request).join().keyMetadata();
    assertTrue(made.keyId().startsWith("mrk-") && made.multiRegion());
    var described = KMS.describeKey(to -> to.keyId(made.arn())).join().keyMetadata();
    assertEquals(KeyState.ENABLED, described.keyState());
    assertEquals(made, described);
    assertEquals(List.of(tag), KMS.listResourceTags(to -> to.keyId(made.keyId())).join().tags());
  }

  @Test
  void errorsAreTyped() {
    var key = create(KeySpec.ECC_NIST_P256, KeyUsageType.SIGN_VERIFY);
    var absent = refused(NotFoundException.class, KMS.describeKey(request -> request.keyId("alias/absent")));
    assertEquals(400, absent.statusCode());
    assertFalse(absent.requestId().isEmpty());
    refused(
        InvalidKeyUsageException.class,
        KMS.encrypt(request -> request.keyId(key.keyId()).plaintext(SdkBytes.fromByteArray(MESSAGE))));
    refused(DryRunOperationException.class, sign(KMS, key, true));
    KMS.disableKey(request -> request.keyId(key.keyId())).join();
    refused(DisabledException.class, sign(KMS, key, false));
    KMS.scheduleKeyDeletion(request -> request.keyId(key.keyId()).pendingWindowInDays(7)).join();
    refused(KmsInvalidStateException.class, sign(KMS, key, false));
  }

  private static CompletableFuture<?> sign(KmsAsyncClient client, KeyMetadata key, boolean dryRun) {
    return client.sign(
        request ->
            request
                .keyId(key.keyId())
                .message(SdkBytes.fromByteArray(MESSAGE))
                .signingAlgorithm(SigningAlgorithmSpec.ECDSA_SHA_256)
                .dryRun(dryRun));
  }

  @Test
  void callersAreToldApart() {
    var key = create(KeySpec.ECC_NIST_P256, KeyUsageType.SIGN_VERIFY);
    try (var signer = client("signer", "signer-secret");
        var nobody = client("nobody", "nobody-secret");
        var forger = client("test", "wrong")) {
      sign(signer, key, false).join();
      var denied = refused(KmsException.class, sign(nobody, key, false));
      assertEquals("AccessDeniedException", denied.awsErrorDetails().errorCode());
      var forged = refused(KmsException.class, sign(forger, key, false));
      assertEquals("InvalidSignatureException", forged.awsErrorDetails().errorCode());
    }
  }

  @Test
  void aRoleIsAssumed() {
    var key = create(KeySpec.ECC_NIST_P256, KeyUsageType.SIGN_VERIFY);
    try (var sts =
        StsAsyncClient.builder()
            .region(Region.US_EAST_1)
            .endpointOverride(URI.create(ENDPOINT))
            .credentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create("test", "test")))
            .build()) {
      Credentials given =
          sts.assumeRole(
                  request ->
                      request
                          .roleArn("arn:aws:iam::000000000000:role/ledger-node")
                          .roleSessionName("java")
                          .externalId("abc"))
              .join()
              .credentials();
      var session =
          AwsSessionCredentials.create(given.accessKeyId(), given.secretAccessKey(), given.sessionToken());
      try (var node = client(StaticCredentialsProvider.create(session))) {
        sign(node, key, false).join();
      }
    }
  }

  @Test
  void pagesAreWalked() {
    Set<String> made = new HashSet<>();
    for (int number = 0; number < 3; number++) {
      made.add(create(KeySpec.HMAC_256, KeyUsageType.GENERATE_VERIFY_MAC).keyId());
    }
    KMS.listKeysPaginator(request -> request.limit(2)).keys().subscribe(key -> made.remove(key.keyId())).join();
    assertEquals(Set.of(), made);
  }

  @Test
  void manyRequestsAreUnderWayAtOnce() throws GeneralSecurityException {
    var key = create(KeySpec.ECC_NIST_P256, KeyUsageType.SIGN_VERIFY);
    var answers = new CompletableFuture<?>[200];
    for (int number = 0; number < answers.length; number++) {
      answers[number] = sign(KMS, key, false);
    }
    CompletableFuture.allOf(answers).join();
  }

  @Test
  void theSdkRetriesWhatFaultsBreak() throws Exception {
    for (var kind : List.of("throttle", "internal_error", "reset_before")) {
      var fault = "[{\"operation\":\"GetKeyPolicy\",\"count\":1,\"kind\":\"" + kind + "\"}]";
      var request =
          HttpRequest.newBuilder(URI.create(ENDPOINT + "/_cantle/faults"))
              .PUT(HttpRequest.BodyPublishers.ofString(fault))
              .build();
      var armed = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
      assertEquals(200, armed.statusCode());
      var key = create(KeySpec.SYMMETRIC_DEFAULT, KeyUsageType.ENCRYPT_DECRYPT);
      var policy = KMS.getKeyPolicy(to -> to.keyId(key.keyId())).join();
      assertTrue(policy.policy().contains("Enable IAM User Permissions"), kind);
    }
  }
}
