// Package kmsclients drives the server with the AWS SDK for Go; the standard library's cryptography is the other side.
package kmsclients

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

const account = "000000000000"

var (
	ctx     = context.Background()
	message = []byte("transfer 100 to Alice")
)

func config(key, secret string) aws.Config {
	return aws.Config{
		Region:           "us-east-1",
		BaseEndpoint:     aws.String(os.Getenv("AWS_ENDPOINT_URL")),
		Credentials:      credentials.NewStaticCredentialsProvider(key, secret, ""),
		RetryMaxAttempts: 1,
	}
}

func client() *kms.Client { return kms.NewFromConfig(config("test", "test")) }

func create(t *testing.T, spec types.KeySpec, usage types.KeyUsageType, change func(*kms.CreateKeyInput)) *types.KeyMetadata {
	t.Helper()
	input := &kms.CreateKeyInput{KeySpec: spec, KeyUsage: usage}
	if change != nil {
		change(input)
	}
	made, err := client().CreateKey(ctx, input)
	if err != nil {
		t.Fatal(err)
	}
	return made.KeyMetadata
}

func public(t *testing.T, key *types.KeyMetadata) any {
	t.Helper()
	given, err := client().GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: key.KeyId})
	if err != nil {
		t.Fatal(err)
	}
	if *given.KeyId != *key.Arn || given.KeySpec != key.KeySpec {
		t.Fatalf("another key: %v", given)
	}
	parsed, err := x509.ParsePKIXPublicKey(given.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func code(err error) string {
	var refused smithy.APIError
	if errors.As(err, &refused) {
		return refused.ErrorCode()
	}
	return fmt.Sprint(err)
}

func wantCode(t *testing.T, err error, want string) {
	t.Helper()
	if got := code(err); got != want {
		t.Fatalf("%s, not %s", got, want)
	}
}

func TestEcdsaSignsMessagesAndDigests(t *testing.T) {
	for spec, rule := range map[types.KeySpec]struct {
		algorithm types.SigningAlgorithmSpec
		hash      crypto.Hash
	}{
		types.KeySpecEccNistP256: {types.SigningAlgorithmSpecEcdsaSha256, crypto.SHA256},
		types.KeySpecEccNistP384: {types.SigningAlgorithmSpecEcdsaSha384, crypto.SHA384},
		types.KeySpecEccNistP521: {types.SigningAlgorithmSpecEcdsaSha512, crypto.SHA512},
	} {
		key := create(t, spec, types.KeyUsageTypeSignVerify, nil)
		hasher := rule.hash.New()
		hasher.Write(message)
		digest := hasher.Sum(nil)
		for kind, body := range map[types.MessageType][]byte{types.MessageTypeRaw: message, types.MessageTypeDigest: digest} {
			signed, err := client().Sign(ctx, &kms.SignInput{
				KeyId: key.KeyId, Message: body, MessageType: kind, SigningAlgorithm: rule.algorithm,
			})
			if err != nil {
				t.Fatal(err)
			}
			if !ecdsa.VerifyASN1(public(t, key).(*ecdsa.PublicKey), digest, signed.Signature) {
				t.Fatalf("%s %s does not verify", spec, kind)
			}
		}
	}
}

func TestRsaSignsWithBothPaddings(t *testing.T) {
	key := create(t, types.KeySpecRsa2048, types.KeyUsageTypeSignVerify, nil)
	digest := sha256.Sum256(message)
	for _, algorithm := range []types.SigningAlgorithmSpec{
		types.SigningAlgorithmSpecRsassaPkcs1V15Sha256, types.SigningAlgorithmSpecRsassaPssSha256,
	} {
		signed, err := client().Sign(ctx, &kms.SignInput{
			KeyId: key.KeyId, Message: digest[:], MessageType: types.MessageTypeDigest, SigningAlgorithm: algorithm,
		})
		if err != nil {
			t.Fatal(err)
		}
		parsed := public(t, key).(*rsa.PublicKey)
		if strings.Contains(string(algorithm), "PSS") {
			err = rsa.VerifyPSS(parsed, crypto.SHA256, digest[:], signed.Signature, &rsa.PSSOptions{SaltLength: 32})
		} else {
			err = rsa.VerifyPKCS1v15(parsed, crypto.SHA256, digest[:], signed.Signature)
		}
		if err != nil {
			t.Fatalf("%s: %v", algorithm, err)
		}
	}
}

func TestEd25519Signs(t *testing.T) {
	key := create(t, types.KeySpecEccNistEdwards25519, types.KeyUsageTypeSignVerify, nil)
	signed, err := client().Sign(ctx, &kms.SignInput{
		KeyId: key.KeyId, Message: message, SigningAlgorithm: types.SigningAlgorithmSpecEd25519Sha512,
	})
	if err != nil {
		t.Fatal(err)
	}
	if !ed25519.Verify(public(t, key).(ed25519.PublicKey), message, signed.Signature) {
		t.Fatal("does not verify")
	}
}

func TestACiphertextMadeOutsideIsDecrypted(t *testing.T) {
	key := create(t, types.KeySpecRsa2048, types.KeyUsageTypeEncryptDecrypt, nil)
	outside, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, public(t, key).(*rsa.PublicKey), message, nil)
	if err != nil {
		t.Fatal(err)
	}
	request := &kms.DecryptInput{
		KeyId: key.KeyId, CiphertextBlob: outside, EncryptionAlgorithm: types.EncryptionAlgorithmSpecRsaesOaepSha256,
	}
	opened, err := client().Decrypt(ctx, request)
	if err != nil || !bytes.Equal(opened.Plaintext, message) {
		t.Fatalf("%v %v", opened, err)
	}
	outside[0] ^= 1
	_, err = client().Decrypt(ctx, request)
	var invalid *types.InvalidCiphertextException
	if !errors.As(err, &invalid) {
		t.Fatal(err)
	}
}

func TestSymmetricCiphertextsAreBoundToTheirContext(t *testing.T) {
	key := create(t, types.KeySpecSymmetricDefault, types.KeyUsageTypeEncryptDecrypt, nil)
	bound := map[string]string{"purpose": "test"}
	sealed, err := client().Encrypt(ctx, &kms.EncryptInput{KeyId: key.KeyId, Plaintext: message, EncryptionContext: bound})
	if err != nil {
		t.Fatal(err)
	}
	opened, err := client().Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob, EncryptionContext: bound})
	if err != nil || !bytes.Equal(opened.Plaintext, message) || *opened.KeyId != *key.Arn {
		t.Fatalf("%v %v", opened, err)
	}
	_, err = client().Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
	wantCode(t, err, "InvalidCiphertextException")
}

func TestDataKeyPairsAreWhole(t *testing.T) {
	key := create(t, types.KeySpecSymmetricDefault, types.KeyUsageTypeEncryptDecrypt, nil)
	pair, err := client().GenerateDataKeyPair(ctx, &kms.GenerateDataKeyPairInput{
		KeyId: key.KeyId, KeyPairSpec: types.DataKeyPairSpecEccNistP256,
	})
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.ParsePKCS8PrivateKey(pair.PrivateKeyPlaintext)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(private.(*ecdsa.PrivateKey).Public())
	if err != nil || !bytes.Equal(der, pair.PublicKey) {
		t.Fatalf("the halves differ: %v", err)
	}
}

func TestMacsAndSharedSecrets(t *testing.T) {
	key := create(t, types.KeySpecHmac512, types.KeyUsageTypeGenerateVerifyMac, nil)
	made, err := client().GenerateMac(ctx, &kms.GenerateMacInput{
		KeyId: key.KeyId, Message: message, MacAlgorithm: types.MacAlgorithmSpecHmacSha512,
	})
	if err != nil {
		t.Fatal(err)
	}
	verified, err := client().VerifyMac(ctx, &kms.VerifyMacInput{
		KeyId: key.KeyId, Message: message, Mac: made.Mac, MacAlgorithm: types.MacAlgorithmSpecHmacSha512,
	})
	if err != nil || !verified.MacValid {
		t.Fatal(err)
	}
	agreement := create(t, types.KeySpecEccNistP256, types.KeyUsageTypeKeyAgreement, nil)
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(own.Public())
	if err != nil {
		t.Fatal(err)
	}
	derived, err := client().DeriveSharedSecret(ctx, &kms.DeriveSharedSecretInput{
		KeyId: agreement.KeyId, KeyAgreementAlgorithm: types.KeyAgreementAlgorithmSpecEcdh, PublicKey: der,
	})
	if err != nil {
		t.Fatal(err)
	}
	var private *ecdh.PrivateKey
	if private, err = own.ECDH(); err != nil {
		t.Fatal(err)
	}
	peer, err := public(t, agreement).(*ecdsa.PublicKey).ECDH()
	if err != nil {
		t.Fatal(err)
	}
	secret, err := private.ECDH(peer)
	if err != nil || !bytes.Equal(secret, derived.SharedSecret) {
		t.Fatalf("another secret: %v", err)
	}
}

func TestErrorsAreTyped(t *testing.T) {
	key := create(t, types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify, nil)
	sign := &kms.SignInput{KeyId: key.KeyId, Message: message, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256}
	dry := *sign
	dry.DryRun = aws.Bool(true)
	_, err := client().Sign(ctx, &dry)
	var dryRun *types.DryRunOperationException
	if !errors.As(err, &dryRun) {
		t.Fatal(err)
	}
	_, err = client().DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String("alias/absent")})
	var notFound *types.NotFoundException
	if !errors.As(err, &notFound) {
		t.Fatal(err)
	}
	_, err = client().Encrypt(ctx, &kms.EncryptInput{KeyId: key.KeyId, Plaintext: message})
	var usage *types.InvalidKeyUsageException
	if !errors.As(err, &usage) {
		t.Fatal(err)
	}
	if _, err = client().DisableKey(ctx, &kms.DisableKeyInput{KeyId: key.KeyId}); err != nil {
		t.Fatal(err)
	}
	_, err = client().Sign(ctx, sign)
	var disabled *types.DisabledException
	if !errors.As(err, &disabled) || disabled.ErrorMessage() != *key.Arn+" is disabled." {
		t.Fatal(err)
	}
	_, err = client().CreateKey(ctx, &kms.CreateKeyInput{KeySpec: types.KeySpecEccNistP256})
	wantCode(t, err, "ValidationException")
}

func TestPagesAreWalked(t *testing.T) {
	made := map[string]bool{}
	for range 3 {
		made[*create(t, types.KeySpecHmac224, types.KeyUsageTypeGenerateVerifyMac, nil).KeyId] = true
	}
	pages := kms.NewListKeysPaginator(client(), &kms.ListKeysInput{Limit: aws.Int32(2)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range page.Keys {
			delete(made, *key.KeyId)
		}
	}
	if len(made) != 0 {
		t.Fatalf("not listed: %v", made)
	}
}

func TestCallersAndRoles(t *testing.T) {
	key := create(t, types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify, nil)
	sign := &kms.SignInput{KeyId: key.KeyId, Message: message, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256}
	_, err := kms.NewFromConfig(config("nobody", "nobody-secret")).Sign(ctx, sign)
	wantCode(t, err, "AccessDeniedException")
	_, err = kms.NewFromConfig(config("test", "wrong")).Sign(ctx, sign)
	wantCode(t, err, "InvalidSignatureException")
	_, err = kms.NewFromConfig(config("other", "other-secret")).Sign(ctx, sign)
	wantCode(t, err, "NotFoundException")
	assumed := config("test", "test")
	role := "arn:aws:iam::" + account + ":role/ledger-node"
	assumed.Credentials = stscreds.NewAssumeRoleProvider(sts.NewFromConfig(config("test", "test")), role,
		func(options *stscreds.AssumeRoleOptions) { options.ExternalID = aws.String("abc") })
	if _, err = kms.NewFromConfig(assumed).Sign(ctx, sign); err != nil {
		t.Fatal(err)
	}
	_, err = kms.NewFromConfig(assumed).CreateKey(ctx, &kms.CreateKeyInput{})
	wantCode(t, err, "AccessDeniedException")
}

func TestReplicasAndTags(t *testing.T) {
	key := create(t, types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify, func(input *kms.CreateKeyInput) {
		input.MultiRegion = aws.Bool(true)
		input.Tags = []types.Tag{{TagKey: aws.String("a"), TagValue: aws.String("b")}}
	})
	made, err := client().ReplicateKey(ctx, &kms.ReplicateKeyInput{
		KeyId: key.KeyId, ReplicaRegion: aws.String("eu-central-1"),
	})
	if err != nil || *made.ReplicaKeyMetadata.KeyId != *key.KeyId {
		t.Fatalf("%v %v", made, err)
	}
	tags, err := client().ListResourceTags(ctx, &kms.ListResourceTagsInput{KeyId: key.KeyId})
	if err != nil || len(tags.Tags) != 1 || *tags.Tags[0].TagKey != "a" {
		t.Fatalf("%v %v", tags, err)
	}
}

func TestTheSdkRetriesWhatFaultsBreak(t *testing.T) {
	retrying := config("test", "test")
	retrying.RetryMaxAttempts = 3
	for _, kind := range []string{"throttle", "internal_error", "reset_before"} {
		body := fmt.Sprintf(`[{"operation":"ListAliases","count":1,"kind":%q}]`, kind)
		request, err := http.NewRequest(http.MethodPut, os.Getenv("AWS_ENDPOINT_URL")+"/_cantle/faults", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("%v %v", answer, err)
		}
		if _, err = kms.NewFromConfig(retrying).ListAliases(ctx, &kms.ListAliasesInput{}); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
	}
}

func TestManyCallersAtOnce(t *testing.T) {
	key := create(t, types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify, nil)
	shared, parsed := client(), public(t, key).(*ecdsa.PublicKey)
	var callers sync.WaitGroup
	for caller := range 16 {
		callers.Add(1)
		go func() {
			defer callers.Done()
			for number := range 20 {
				digest := sha256.Sum256(fmt.Appendf(nil, "%d-%d", caller, number))
				signed, err := shared.Sign(ctx, &kms.SignInput{
					KeyId: key.KeyId, Message: digest[:], MessageType: types.MessageTypeDigest,
					SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256,
				})
				if err != nil || !ecdsa.VerifyASN1(parsed, digest[:], signed.Signature) {
					t.Errorf("caller %d: %v", caller, err)
					return
				}
			}
		}()
	}
	callers.Wait()
}
