"""Drives the software key through python-fido2, which shares no code with it.

usage: drive.py SCENARIO --device PROGRAM --root FILE --directory DIR

PROGRAM is the `ctaphid` example of keywright-virtual-key; FILE the root certificate its attestation leads to; DIR an
empty directory for the keys. A scenario that fails raises; one that passes prints its name.
"""

import argparse
import itertools
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from fido2.attestation import AttestationVerifier, UntrustedAttestation
from fido2.client import DefaultClientDataCollector, Fido2Client, UserInteraction
from fido2.cose import ES256, CoseKey, EdDSA
from fido2.ctap import CtapError
from fido2.ctap2 import ClientPin, Config, CredentialManagement, Ctap2
from fido2.ctap2.extensions import HmacSecretExtension, CredProtectExtension, MinPinLengthExtension
from fido2.ctap2.pin import PinProtocolV1, PinProtocolV2
from fido2.hid import CtapHidDevice
from fido2.hid.base import CtapHidConnection, HidDescriptor
from fido2.server import Fido2Server
from fido2.webauthn import (
    AttestationConveyancePreference,
    AttestationObject,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

ORIGIN = "https://login.example.com"
RP = {"id": "login.example.com", "name": "Example"}
PIN = "839217"
CLIENT_DATA_HASH = sha256(b"client data").digest()
PERMISSION = ClientPin.PERMISSION
ERR = CtapError.ERR


class PipeConnection(CtapHidConnection):
    """64-byte reports over the pipes of a process."""

    def __init__(self, process):
        self.process = process

    def read_packet(self):
        packet = b""
        while len(packet) < 64:
            part = self.process.stdout.read(64 - len(packet))
            if not part:
                raise OSError("the device is gone")
            packet += part
        return packet

    def write_packet(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=10)


class Bench:
    """Plugs keys in."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.numbers = itertools.count(10000001)

    def new_key(self):
        return Path(self.arguments.directory) / str(next(self.numbers))

    @contextmanager
    def plugged_in(self, key, touch_ms=0):
        process = subprocess.Popen(
            [self.arguments.device, "--state", str(key), "--touch-ms", str(touch_ms)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        descriptor = HidDescriptor(str(key), 0, 0, 64, 64, "Virtual Key", key.name)
        device = CtapHidDevice(descriptor, PipeConnection(process))
        try:
            yield device
        finally:
            device.close()
        assert process.returncode == 0, process.returncode

    @property
    def root(self):
        return Path(self.arguments.root).read_bytes()


@contextmanager
def refused(*codes):
    try:
        yield
    except CtapError as error:
        assert error.code in codes, f"{error} instead of {codes}"
    else:
        raise AssertionError(f"not refused with {codes}")


def token(ctap, pin, permissions, rp_id=None, protocol=None):
    return ClientPin(ctap, protocol).get_pin_token(pin, permissions, rp_id)


def make(ctap, user=b"\x01", pin=PIN, rk=True, algorithm=-7, extensions=None, exclude=None, ep=None, **keywords):
    client_pin = ClientPin(ctap)
    param = None
    if pin is not None:
        pin_token = client_pin.get_pin_token(pin, PERMISSION.MAKE_CREDENTIAL, RP["id"])
        param = client_pin.protocol.authenticate(pin_token, CLIENT_DATA_HASH)
    return ctap.make_credential(
        CLIENT_DATA_HASH,
        RP,
        {"id": user, "name": f"user{user.hex()}", "displayName": "User"},
        [{"type": "public-key", "alg": algorithm}],
        exclude_list=exclude,
        extensions=extensions,
        options={"rk": rk},
        pin_uv_param=param,
        pin_uv_protocol=client_pin.protocol.VERSION if param else None,
        enterprise_attestation=ep,
        **keywords,
    )


class OurRoot(AttestationVerifier):
    def __init__(self, root):
        super().__init__()
        self.root = root

    def ca_lookup(self, attestation_result, auth_data):
        return self.root


class OtherRoot(OurRoot):
    def ca_lookup(self, attestation_result, auth_data):
        return None


def pins(bench):
    for protocol in (PinProtocolV1(), PinProtocolV2()):
        with bench.plugged_in(bench.new_key()) as device:
            ctap = Ctap2(device)
            client_pin = ClientPin(ctap, protocol)
            client_pin.set_pin(PIN)
            assert ctap.get_info().options["clientPin"] is True
            client_pin.change_pin(PIN, "ünïcödé 🔑")
            client_pin.get_pin_token("ünïcödé 🔑", PERMISSION.CREDENTIAL_MGMT)
            # The legacy command, for clients that know no permissions.
            client_pin.get_pin_token("ünïcödé 🔑")
            with refused(ERR.PIN_INVALID):
                client_pin.get_pin_token(PIN, PERMISSION.CREDENTIAL_MGMT)
            assert client_pin.get_pin_retries() == (7, False)


def wrong_pins(bench):
    key = bench.new_key()
    with bench.plugged_in(key) as device:
        ClientPin(Ctap2(device)).set_pin(PIN)
    left = 8
    while left > 0:
        with bench.plugged_in(key) as device:
            client_pin = ClientPin(Ctap2(device))
            for attempt in (1, 2, 3):
                left -= 1
                expected = ERR.PIN_BLOCKED if left == 0 else ERR.PIN_AUTH_BLOCKED if attempt == 3 else ERR.PIN_INVALID
                with refused(expected):
                    client_pin.get_pin_token("000000", PERMISSION.CREDENTIAL_MGMT)
                assert client_pin.get_pin_retries() == (left, attempt == 3)
                if left == 0:
                    break
            # The right PIN helps no more until power is cycled.
            with refused(ERR.PIN_BLOCKED if left == 0 else ERR.PIN_AUTH_BLOCKED):
                client_pin.get_pin_token(PIN, PERMISSION.CREDENTIAL_MGMT)
    with bench.plugged_in(key) as device:
        ctap = Ctap2(device)
        with refused(ERR.PIN_BLOCKED):
            ClientPin(ctap).get_pin_token(PIN, PERMISSION.CREDENTIAL_MGMT)
        ctap.reset()
        assert ctap.get_info().options["clientPin"] is False
        assert ClientPin(ctap).get_pin_retries() == (8, False)


def attestation(bench):
    with bench.plugged_in(bench.new_key()) as device:
        ctap = Ctap2(device)
        ClientPin(ctap).set_pin(PIN)
        for algorithm, cls in ((-7, ES256), (-8, EdDSA)):
            answer = make(ctap, algorithm=algorithm)
            assert answer.fmt == "packed" and len(answer.att_stmt["x5c"]) == 1
            assert isinstance(CoseKey.parse(answer.auth_data.credential_data.public_key), cls)
            assert answer.auth_data.credential_data.aaguid == ctap.info.aaguid
            assert answer.auth_data.is_user_present() and answer.auth_data.is_user_verified()
            object_ = AttestationObject.create(answer.fmt, answer.auth_data, answer.att_stmt)
            OurRoot(bench.root).verify_attestation(object_, CLIENT_DATA_HASH)
            try:
                OtherRoot(bench.root).verify_attestation(object_, CLIENT_DATA_HASH)
            except UntrustedAttestation:
                pass
            else:
                raise AssertionError("trusted without a root")


class Person(UserInteraction):
    touches = 0

    def prompt_up(self):
        self.touches += 1

    def request_pin(self, permissions, rp_id):
        return PIN


def ceremonies(bench):
    """python-fido2's own client and relying party, with discoverable credential, credProtect and hmac-secret."""
    person = Person()
    with bench.plugged_in(bench.new_key(), touch_ms=120) as device:
        ClientPin(Ctap2(device)).set_pin(PIN)
        client = Fido2Client(
            device,
            client_data_collector=DefaultClientDataCollector(ORIGIN),
            user_interaction=person,
            extensions=[HmacSecretExtension(allow_hmac_secret=True), CredProtectExtension(), MinPinLengthExtension()],
        )
        server = Fido2Server(
            PublicKeyCredentialRpEntity.from_dict(RP),
            attestation=AttestationConveyancePreference.DIRECT,
            verify_attestation=OurRoot(bench.root),
        )
        user = PublicKeyCredentialUserEntity(id=b"user handle", name="kim@example.com", display_name="Kim")
        options, state = server.register_begin(
            user,
            resident_key_requirement=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
            extensions={
                "hmacCreateSecret": True,
                "credentialProtectionPolicy": "userVerificationRequired",
                "enforceCredentialProtectionPolicy": True,
            },
        )
        registration = client.make_credential(options.public_key)
        assert registration.client_extension_results["hmacCreateSecret"] is True
        auth_data = server.register_complete(state, registration)
        assert auth_data.extensions == {"credProtect": 3, "hmac-secret": True}

        salts = {"salt1": os.urandom(32), "salt2": os.urandom(32)}
        secrets = []
        for _ in range(2):
            options, state = server.authenticate_begin(user_verification=UserVerificationRequirement.REQUIRED)
            public_key = dict(options.public_key)
            public_key["extensions"] = {"hmacGetSecret": salts}
            answer = client.get_assertion(public_key).get_response(0)
            server.authenticate_complete(state, [auth_data.credential_data], answer)
            assert answer.response.user_handle == b"user handle"
            secrets.append(answer.client_extension_results["hmacGetSecret"])
        assert secrets[0] == secrets[1] and secrets[0]["output1"] != secrets[0]["output2"]

        # Excluded the second time; python-fido2 finds out by itself, silently.
        options, state = server.register_begin(user, credentials=[auth_data.credential_data])
        try:
            client.make_credential(options.public_key)
        except Exception as error:
            assert error.code == error.ERR.DEVICE_INELIGIBLE, error
        else:
            raise AssertionError("the same key registered twice")
        assert person.touches >= 3, person.touches


def management(bench):
    with bench.plugged_in(bench.new_key()) as device:
        ctap = Ctap2(device)
        client_pin = ClientPin(ctap)
        client_pin.set_pin(PIN)
        made = {}
        for user in (b"\x01", b"\x02", b"\x03"):
            answer = make(ctap, user=user, extensions={"credProtect": 2})
            made[user] = answer.auth_data.credential_data
        replaced = make(ctap, user=b"\x03").auth_data.credential_data
        assert replaced.credential_id != made[b"\x03"].credential_id

        def manager():
            pin_token = client_pin.get_pin_token(PIN, PERMISSION.CREDENTIAL_MGMT)
            return CredentialManagement(ctap, client_pin.protocol, pin_token)

        metadata = manager().get_metadata()
        assert metadata[CredentialManagement.RESULT.EXISTING_CRED_COUNT] == 3
        assert metadata[CredentialManagement.RESULT.MAX_REMAINING_COUNT] == 47
        assert ctap.get_info().remaining_disc_creds == 47
        (rp,) = manager().enumerate_rps()
        assert rp[CredentialManagement.RESULT.RP] == RP
        rp_id_hash = sha256(RP["id"].encode()).digest()
        assert rp[CredentialManagement.RESULT.RP_ID_HASH] == rp_id_hash
        listed = manager().enumerate_creds(rp_id_hash)
        result = CredentialManagement.RESULT
        assert [one[result.USER]["id"] for one in listed] == [b"\x01", b"\x02", b"\x03"]
        assert [one[result.CRED_PROTECT] for one in listed] == [2, 2, 1]
        assert listed[0][result.PUBLIC_KEY] == made[b"\x01"].public_key

        first = listed[0][result.CREDENTIAL_ID]
        manager().update_user_info(first, {"id": b"\x01", "name": "renamed"})
        renamed = manager().enumerate_creds(rp_id_hash)[0][result.USER]
        assert renamed == {"id": b"\x01", "name": "renamed"}, renamed
        with refused(ERR.INVALID_PARAMETER):
            manager().update_user_info(first, {"id": b"\x09", "name": "x"})
        manager().delete_cred(first)
        with refused(ERR.NO_CREDENTIALS):
            manager().delete_cred(first)
        assert len(manager().enumerate_creds(rp_id_hash)) == 2
        # A token for something else does not do.
        config_token = client_pin.get_pin_token(PIN, PERMISSION.AUTHENTICATOR_CFG)
        with refused(ERR.PIN_AUTH_INVALID):
            CredentialManagement(ctap, client_pin.protocol, config_token).get_metadata()


def configuration(bench):
    with bench.plugged_in(bench.new_key()) as device:
        ctap = Ctap2(device)
        client_pin = ClientPin(ctap)
        client_pin.set_pin(PIN)

        def config(pin=PIN):
            pin_token = client_pin.get_pin_token(pin, PERMISSION.AUTHENTICATOR_CFG)
            return Config(ctap, client_pin.protocol, pin_token)

        config().set_min_pin_length(6, rp_ids=[RP["id"]])
        info = ctap.get_info()
        assert (info.min_pin_length, info.force_pin_change) == (6, False)
        with refused(ERR.PIN_POLICY_VIOLATION):
            config().set_min_pin_length(5)
        with refused(ERR.PIN_POLICY_VIOLATION):
            client_pin.change_pin(PIN, "12345")
        answer = make(ctap, extensions={"minPinLength": True})
        assert answer.auth_data.extensions == {"minPinLength": 6}

        config().set_min_pin_length(force_change_pin=True)
        assert ctap.get_info().force_pin_change is True
        with refused(ERR.PIN_POLICY_VIOLATION):
            client_pin.get_pin_token(PIN, PERMISSION.MAKE_CREDENTIAL, RP["id"])
        with refused(ERR.PIN_INVALID):
            client_pin.get_pin_token(PIN)
        with refused(ERR.PIN_POLICY_VIOLATION):
            client_pin.change_pin(PIN, PIN)
        client_pin.change_pin(PIN, "27182818")
        assert ctap.get_info().force_pin_change is False

        with refused(ERR.INVALID_PARAMETER):
            make(ctap, pin="27182818", ep=2)
        config("27182818").enable_enterprise_attestation()
        assert ctap.get_info().options["ep"] is True
        answer = make(ctap, pin="27182818", ep=2)
        assert answer.ep_att is True
        assert device.serial_number.encode() in answer.att_stmt["x5c"][0]
        object_ = AttestationObject.create(answer.fmt, answer.auth_data, answer.att_stmt)
        OurRoot(bench.root).verify_attestation(object_, CLIENT_DATA_HASH)

        config("27182818").toggle_always_uv()
        options = ctap.get_info().options
        assert options["alwaysUv"] is True and options["makeCredUvNotRqd"] is False
        with refused(ERR.PUAT_REQUIRED):
            make(ctap, pin=None, rk=False)


def reset(bench):
    key = bench.new_key()
    with bench.plugged_in(key) as device:
        ctap = Ctap2(device)
        ClientPin(ctap).set_pin(PIN)
        make(ctap)
        ctap.reset()
        info = ctap.get_info()
        assert info.options["clientPin"] is False and info.remaining_disc_creds == 50
        with refused(ERR.NO_CREDENTIALS):
            ctap.get_assertion(RP["id"], CLIENT_DATA_HASH)
    with bench.plugged_in(key) as device:
        time.sleep(10.5)
        with refused(ERR.NOT_ALLOWED):
            Ctap2(device).reset()


def cancel(bench):
    with bench.plugged_in(bench.new_key(), touch_ms=20000) as device:
        ctap = Ctap2(device)
        statuses = []
        for operation in (ctap.selection, ctap.reset, lambda **keywords: make(ctap, pin=None, rk=False, **keywords)):
            event = threading.Event()

            def on_keepalive(status):
                statuses.append(status)
                event.set()

            begun = time.monotonic()
            with refused(ERR.KEEPALIVE_CANCEL):
                operation(event=event, on_keepalive=on_keepalive)
            assert time.monotonic() - begun < 5
        assert statuses == [2, 2, 2], statuses
        # And the key is as good as ever.
        assert device.ping(b"x" * 1000) == b"x" * 1000


def assertions(bench):
    with bench.plugged_in(bench.new_key()) as device:
        ctap = Ctap2(device)
        client_pin = ClientPin(ctap)
        client_pin.set_pin(PIN)
        made = [make(ctap, user=bytes([user])).auth_data.credential_data for user in range(1, 4)]
        elsewhere = make(ctap, rk=False, algorithm=-8).auth_data.credential_data
        answers = ctap.get_assertions(RP["id"], CLIENT_DATA_HASH)
        assert [answer.user["id"] for answer in answers] == [b"\x03", b"\x02", b"\x01"]
        for answer, credential in zip(answers, reversed(made)):
            answer.verify(CLIENT_DATA_HASH, credential.public_key)
        with refused(ERR.NOT_ALLOWED):
            ctap.get_next_assertion()
        answer = ctap.get_assertion(
            RP["id"], CLIENT_DATA_HASH, allow_list=[{"type": "public-key", "id": elsewhere.credential_id}]
        )
        answer.verify(CLIENT_DATA_HASH, elsewhere.public_key)
        with refused(ERR.CREDENTIAL_EXCLUDED):
            make(ctap, rk=False, exclude=[{"type": "public-key", "id": elsewhere.credential_id}])


SCENARIOS = [pins, wrong_pins, attestation, ceremonies, assertions, management, configuration, reset, cancel]


def main():
    scenarios = {scenario.__name__: scenario for scenario in SCENARIOS}
    parser = argparse.ArgumentParser()
    parser.add_argument("scenario", choices=scenarios)
    parser.add_argument("--device", required=True)
    parser.add_argument("--root", required=True)
    parser.add_argument("--directory", required=True)
    arguments = parser.parse_args()
    scenarios[arguments.scenario](Bench(arguments))
    print(arguments.scenario)


if __name__ == "__main__":
    sys.exit(main())
