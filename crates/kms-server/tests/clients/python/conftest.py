"""What all suites share: clients of the server that `run` started."""

import json
import os
import urllib.request

import boto3
import pytest
from botocore.config import Config

ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
REGION = "us-east-1"
ACCOUNT = "000000000000"


def make(service="kms", key="test", secret=None, region=REGION, token=None, **config):
    """A client of one caller. It tries once unless told otherwise."""
    config.setdefault("retries", {"max_attempts": 1, "mode": "standard"})
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=ENDPOINT,
        aws_access_key_id=key,
        aws_secret_access_key=secret or (key if key == "test" else f"{key}-secret"),
        aws_session_token=token,
        config=Config(**config),
    )


@pytest.fixture(scope="session")
def kms():
    return make()


@pytest.fixture(scope="session")
def client():
    return make


@pytest.fixture
def key(kms):
    def create(spec="SYMMETRIC_DEFAULT", usage="ENCRYPT_DECRYPT", **more):
        return kms.create_key(KeySpec=spec, KeyUsage=usage, **more)["KeyMetadata"]

    return create


@pytest.fixture
def refused():
    """Calls, expects a refusal, gives back its name and text."""

    def call(operation, **request):
        client = operation.__self__
        with pytest.raises(client.exceptions.ClientError) as caught:
            operation(**request)
        error = caught.value.response["Error"]
        return error["Code"], error["Message"]

    return call


@pytest.fixture
def faults():
    """Arms faults at the admin endpoint; none are left behind."""

    def arm(*armed):
        request = urllib.request.Request(
            f"{ENDPOINT}/_cantle/faults", data=json.dumps(armed).encode(), method="PUT"
        )
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200

    yield arm
    arm()
