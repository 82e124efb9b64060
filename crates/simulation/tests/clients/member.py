"""A member of a sync domain that knows nothing but the published protos and the documentation.

It makes a P-256 key, says its public part on stdout, and is told on stdin (one line of JSON) where the sequencer is and who
it is. Then it does what Canton 2.10's participants do on the public API, checks every answer, and says on stdout what it
did. The messages are those that `run` generates from crates/proto/proto; hashes and the wrapper of versioned messages are
written here anew, from docs/sequencer.md.
"""

import gzip
import hashlib
import json
import struct
import sys
import time
import uuid

import grpc
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import BytesValue, StringValue

from com.digitalasset.canton.connection.v30 import api_info_service_pb2 as info_pb
from com.digitalasset.canton.connection.v30 import api_info_service_pb2_grpc as info_grpc
from com.digitalasset.canton.crypto.v0 import crypto_pb2 as crypto_pb
from com.digitalasset.canton.domain.api.v0 import sequencer_authentication_service_pb2 as auth_pb
from com.digitalasset.canton.domain.api.v0 import sequencer_authentication_service_pb2_grpc as auth_grpc
from com.digitalasset.canton.domain.api.v0 import sequencer_connect_service_pb2 as connect_pb
from com.digitalasset.canton.domain.api.v0 import sequencer_connect_service_pb2_grpc as connect_grpc
from com.digitalasset.canton.domain.api.v0 import sequencer_service_pb2 as service_pb
from com.digitalasset.canton.domain.api.v0 import sequencer_service_pb2_grpc as service_grpc
from com.digitalasset.canton.domain.api.v0 import service_agreement_pb2 as agreement_pb
from com.digitalasset.canton.protocol.v0 import sequencing_pb2 as sequencing_pb

# The numbers of what is hashed.
SEQUENCED_EVENT, AUTHENTICATION, SUBMISSION, ACKNOWLEDGEMENT = 1, 14, 35, 36
VERSIONS = ["5.0.0", "7.0.0"]
IN_TIME = 30


def say(**what):
    print(json.dumps(what), flush=True)


def varint(number):
    parts = bytearray()
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def wrap(message, version=0):
    """Bytes of a message with the version that they are of."""
    data = message.SerializeToString()
    return b"\x0a" + varint(len(data)) + data + (b"\x10" + varint(version) if version else b"")


def unwrap(data):
    assert data[0] == 0x0A, data[:10]
    length, shift, at = 0, 0, 1
    while True:
        length |= (data[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 128:
            break
    return data[at : at + length]


def multihash(purpose, *parts):
    return b"\x12\x20" + hashlib.sha256(struct.pack(">i", purpose) + b"".join(parts)).digest()


def prefixed(text):
    data = text.encode()
    return struct.pack(">i", len(data)) + data


class Member:
    def __init__(self, key, told):
        self.key, self.told = key, told
        self.member, self.domain = told["member"], told["domain"]
        self.channel = grpc.insecure_channel(told["address"])
        self.connect = connect_grpc.SequencerConnectServiceStub(self.channel)
        self.auth = auth_grpc.SequencerAuthenticationServiceStub(self.channel)
        self.service = service_grpc.SequencerServiceStub(self.channel)
        self.token = None

    def signature(self, hashed, by=None):
        by = by or self.key
        return crypto_pb.Signature(
            format=crypto_pb.RawSignatureFormat,
            signature=by.sign(hashed, ec.ECDSA(hashes.SHA256())),
            signed_by=self.told["fingerprint"],
        )

    def metadata(self, **changed):
        all_of = {"memberid": self.member, "domainid": self.domain, "authtoken-bin": self.token} | changed
        return [(name.replace("_", "-"), value) for name, value in all_of.items() if value is not None]

    def before_authentication(self):
        info = info_grpc.ApiInfoServiceStub(self.channel).GetApiInfo(info_pb.GetApiInfoRequest(), timeout=IN_TIME)
        assert info.name == "sequencer-public-api", info
        api = connect_pb.SequencerConnect
        who = self.connect.GetDomainId(api.GetDomainId.Request(), timeout=IN_TIME)
        assert who.domain_id == self.domain and who.sequencer_id == "SEQ::" + self.domain, who
        minimum = StringValue(value="5.0.0")
        hello = sequencing_pb.Handshake.Request(client_protocol_versions=VERSIONS, minimum_protocol_version=minimum)
        answer = self.connect.Handshake(hello, timeout=IN_TIME)
        assert answer.server_protocol_version == self.told["version"] and answer.HasField("success"), answer
        hello = sequencing_pb.Handshake.Request(client_protocol_versions=["6.0.0"])
        assert self.connect.Handshake(hello, timeout=IN_TIME).HasField("failure")
        parameters = self.connect.GetDomainParameters(api.GetDomainParameters.Request(), timeout=IN_TIME)
        assert parameters.parameters_v1.protocol_version == int(self.told["version"][0]), parameters
        nothing = agreement_pb.GetServiceAgreementRequest()
        assert not self.connect.GetServiceAgreement(nothing, timeout=IN_TIME).HasField("agreement")
        active = self.connect.VerifyActive(
            api.VerifyActive.Request(), metadata=[("memberid", self.member)], timeout=IN_TIME
        )
        assert active.success.is_active, active
        return who

    def challenge(self):
        request = auth_pb.Challenge.Request(member=self.member, member_protocol_versions=VERSIONS)
        answer = self.auth.Challenge(request, timeout=IN_TIME)
        assert answer.HasField("success"), answer
        assert len(answer.success.nonce) == 20 and list(answer.success.fingerprints) == [self.told["fingerprint"]]
        return answer.success.nonce

    def authenticate(self, nonce, by=None):
        hashed = multihash(AUTHENTICATION, nonce, prefixed(self.domain))
        request = auth_pb.Authentication.Request(member=self.member, signature=self.signature(hashed, by), nonce=nonce)
        return self.auth.Authenticate(request, timeout=IN_TIME)

    def subscribe(self, counter):
        request = service_pb.SubscriptionRequest(member=self.member, counter=counter)
        return self.service.SubscribeVersioned(request, metadata=self.metadata())

    def event(self, stream):
        """The next event, its signature verified."""
        signed = sequencing_pb.SignedContent()
        answer = next(stream)
        signed.ParseFromString(unwrap(answer.signed_sequenced_event))
        content = signed.content.value
        sequencer = serialization.load_der_public_key(bytes.fromhex(self.told["sequencer_key"]))
        hashed = multihash(SEQUENCED_EVENT, content)
        sequencer.verify(signed.signatures.signature, hashed, ec.ECDSA(hashes.SHA256()))
        try:
            sequencer.verify(signed.signatures.signature, hashed[2:], ec.ECDSA(hashes.SHA256()))
            raise AssertionError("it is the multihash that is signed")
        except InvalidSignature:
            pass
        event = sequencing_pb.SequencedEvent()
        event.ParseFromString(unwrap(content))
        assert event.domain_id == self.domain, event
        return event, answer

    def envelopes(self, event):
        batch = sequencing_pb.Batch()
        data = event.batch.compressed_batch
        if event.batch.algorithm == sequencing_pb.CompressedBatch.Gzip:
            data = gzip.decompress(data)
        batch.ParseFromString(data)
        return batch.envelopes

    def submission(self, text, to, by=None):
        """A signed submission with one envelope, and its message id."""
        trees = [sequencing_pb.RecipientsTree(recipients=[member]) for member in to]
        recipients = sequencing_pb.Recipients(recipients_tree=trees)
        batch = sequencing_pb.Batch(envelopes=[sequencing_pb.Envelope(content=text, recipients=recipients)])
        until = Timestamp()
        until.FromSeconds(int(time.time()) + 60)
        request = sequencing_pb.SubmissionRequest(
            sender=self.member,
            message_id=str(uuid.uuid4()),
            batch=sequencing_pb.CompressedBatch(
                algorithm=sequencing_pb.CompressedBatch.Gzip, compressed_batch=gzip.compress(batch.SerializeToString())
            ),
            max_sequencing_time=until,
        )
        return self.signed(wrap(request), SUBMISSION, by), request.message_id

    def signed(self, content, purpose, by=None):
        signature = self.signature(multihash(purpose, content), by)
        return sequencing_pb.SignedContent(
            content=BytesValue(value=content), signatures=signature, timestamp_of_signing_key=self.last_time
        )

    def send(self, signed):
        request = service_pb.SendAsyncVersionedRequest(signed_submission_request=wrap(signed))
        return self.service.SendAsyncVersioned(request, metadata=self.metadata(), timeout=IN_TIME)

    def must_send(self, signed):
        answer = self.send(signed)
        assert not answer.HasField("error"), answer


def fails(code, auth_code, call):
    try:
        call()
    except grpc.RpcError as error:
        assert error.code() == code, error
        trailers = dict(error.trailing_metadata() or ())
        assert trailers.get("autherrorcode") == auth_code, trailers
        return
    raise AssertionError(f"{code} was expected")


def main():
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    say(public_key=public.hex())
    told = json.loads(sys.stdin.readline())
    member, stranger = Member(key, told), ec.generate_private_key(ec.SECP256R1())

    member.before_authentication()
    say(step="connected")

    fails(grpc.StatusCode.UNAUTHENTICATED, None, lambda: next(member.subscribe(0)))
    nonce = member.challenge()
    forged = member.authenticate(nonce, by=stranger)
    assert forged.failure.code == 13, forged
    answer = member.authenticate(nonce)
    assert answer.HasField("success") and len(answer.success.token) == 20, answer
    assert 3500 < answer.success.expires_at.ToSeconds() - time.time() <= 3600, answer
    assert member.authenticate(nonce).failure.code == 13, "a nonce is good once"
    member.token = bytes(20)
    fails(grpc.StatusCode.UNAUTHENTICATED, "MissingToken", lambda: next(member.subscribe(0)))
    member.token = answer.success.token
    say(step="authenticated")

    stream = member.subscribe(0)
    first, answer = member.event(stream)
    assert first.counter == 0 and len(member.envelopes(first)) == 1, first
    seen, event = [answer.signed_sequenced_event], first
    while not told["caught_up"] <= event.counter:
        event, answer = member.event(stream)
        assert event.counter == len(seen), event
        seen.append(answer.signed_sequenced_event)
    member.last_time = event.timestamp
    say(step="subscribed", events=len(seen))

    hello = b"hello from elsewhere"
    signed, message_id = member.submission(hello, [member.member, told["other"]])
    member.must_send(signed)
    event, answer = member.event(stream)
    assert event.counter == len(seen) and event.message_id.value == message_id, event
    [envelope] = member.envelopes(event)
    assert envelope.content == hello, envelope
    [tree] = envelope.recipients.recipients_tree
    assert list(tree.recipients) == [member.member], "the other's group is not shown"
    seen.append(answer.signed_sequenced_event)
    member.last_time = event.timestamp
    say(step="sent", message_id=message_id)

    forged, _ = member.submission(hello, [told["other"]], by=stranger)
    assert member.send(forged).error.HasField("request_refused")
    changed, of_changed = member.submission(hello, [told["other"]])
    changed.content.value = changed.content.value.replace(of_changed.encode(), message_id.encode())
    assert member.send(changed).error.HasField("request_refused")
    nowhere, _ = member.submission(hello, ["PAR::nobody::1220aa"])
    assert member.send(nowhere).error.HasField("unknown_recipients")
    say(step="refused")

    done = service_pb.AcknowledgeRequest(member=member.member, timestamp=event.timestamp)
    member.service.AcknowledgeSigned(
        member.signed(wrap(done), ACKNOWLEDGEMENT), metadata=member.metadata(), timeout=IN_TIME
    )
    say(step="acknowledged", seconds=event.timestamp.seconds, nanos=event.timestamp.nanos)

    stream.cancel()
    again = member.subscribe(1)
    for known in seen[1:]:
        _, answer = member.event(again)
        assert answer.signed_sequenced_event == known, "an event is the same whenever it is read"
    empty, message_id = member.submission(b"more", [member.member])
    member.must_send(empty)
    event, _ = member.event(again)
    assert event.counter == len(seen) and event.message_id.value == message_id, event
    say(step="done")


main()
