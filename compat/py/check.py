"""PyPI openfeature-provider-ofrep, unmodified, against a running Tidegate; see ../README.md."""

import json
import os
import sys
import time
import urllib.request

from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext

BASE_URL = os.environ.get("TIDEGATE_URL", "http://127.0.0.1:7430")
TOKEN = os.environ.get("TIDEGATE_TOKEN", "")
EDITOR_TOKEN = os.environ.get("TIDEGATE_EDITOR_TOKEN", "")
RESTART_URL = os.environ.get("TIDEGATE_RESTART_URL", "")
ENVIRONMENT = os.environ.get("TIDEGATE_ENVIRONMENT", "production")

LIMITS = {"items": 3, "tags": ["a", "b"], "deep": {"on": True}}
UNIT = EvaluationContext(targeting_key="u1")
VIP = EvaluationContext(targeting_key="vip-1")
PRO = EvaluationContext(attributes={"plan": "pro"})

# type, flag, caller's default, context, then value, variant and reason
SERVED = [
    ("boolean", "compat-boolean", False, None, True, "on", "STATIC"),
    ("string", "compat-string", "", None, "grün", "green", "STATIC"),
    ("integer", "compat-integer", 0, None, 10, "ten", "STATIC"),
    ("float", "compat-float", 0.0, None, 10.0, "ten", "STATIC"),
    ("object", "compat-json", {}, None, LIMITS, "limits", "STATIC"),
    ("boolean", "compat-targeted", True, UNIT, False, "off", "DEFAULT"),
    ("boolean", "compat-targeted", False, VIP, True, "on", "TARGETING_MATCH"),
    ("boolean", "compat-targeted", False, PRO, True, "on", "TARGETING_MATCH"),
    # No value means the caller's own default, and that is not an error.
    ("string", "compat-disabled", "mine", UNIT, "mine", "", "DISABLED"),
]

# type, flag, caller's default, then the error code
DEFAULTED = [
    ("boolean", "compat-missing", True, "FLAG_NOT_FOUND"),
    ("string", "compat-split", "mine", "TARGETING_KEY_MISSING"),
    ("boolean", "compat-string", True, "TYPE_MISMATCH"),
    ("integer", "compat-float", 7, "TYPE_MISMATCH"),
    ("float", "compat-integer", 7.5, "TYPE_MISMATCH"),
]


def client_with(secret, domain=None):
    """A client whose requests carry this secret."""

    def headers():
        return {"Authorization": f"Bearer {secret}"} if secret else {}

    provider = OFREPProvider(BASE_URL, headers_factory=headers)
    if domain is None:
        api.set_provider(provider)
    else:
        api.set_provider(provider, domain)
    return api.get_client(domain)


def ask(client, kind, flag, default, context=None):
    return getattr(client, f"get_{kind}_details")(flag, default, context)


def check_served(client):
    for kind, flag, default, context, value, variant, reason in SERVED:
        details = ask(client, kind, flag, default, context)
        found = (details.value, details.variant, str(details.reason), details.error_code)
        assert found == (value, variant, reason, None), (flag, found, details.error_message)
        assert type(details.value) is type(value), (flag, details.value)
        assert details.flag_metadata["flagSetId"] == ENVIRONMENT, flag
        assert details.flag_metadata["tidegateState"] == "current", flag


def check_defaulted(client):
    for kind, flag, default, code in DEFAULTED:
        details = ask(client, kind, flag, default)
        assert details.value == default, (flag, details)
        assert details.error_code is not None and details.error_code.value == code, (flag, details)


def check_sticky(client):
    answers = [ask(client, "string", "compat-split", "", EvaluationContext("user-42")) for _ in range(5)]
    assert len({details.variant for details in answers}) == 1, answers
    assert {str(details.reason) for details in answers} == {"SPLIT"}, answers


def check_stranger():
    details = ask(client_with("wrong-secret-0123456789", "stranger"), "boolean", "compat-boolean", False)
    assert details.value is False and details.error_code is not None, details


def serve(variation):
    """Serves this variation of compat-live to everybody, through the public API."""
    definition = {"key": "compat-live", "visibility": "client", "type": "boolean", "fallback": {"variation": variation}}
    request = urllib.request.Request(
        f"{BASE_URL}/api/v1/{ENVIRONMENT}/flags/compat-live",
        data=json.dumps(definition).encode(),
        method="PUT",
        headers={
            "Authorization": f"Bearer {EDITOR_TOKEN}",
            "Content-Type": "application/json",
            "If-Match": "*",
        },
    )
    with urllib.request.urlopen(request, timeout=30):
        pass


def wait_for(client, value):
    deadline = time.monotonic() + 30
    while True:
        details = ask(client, "boolean", "compat-live", not value)
        if details.error_code is None and details.value is value:
            return
        assert time.monotonic() < deadline, details
        time.sleep(0.02)


def check_live(client):
    for variation in ("off", "on", "off"):
        serve(variation)
        wait_for(client, variation == "on")


def check_restarted(client):
    with urllib.request.urlopen(urllib.request.Request(RESTART_URL, method="POST"), timeout=60):
        pass
    check_live(client)
    check_served(client)


def main():
    client = client_with(TOKEN)
    check_served(client)
    check_defaulted(client)
    check_sticky(client)
    if TOKEN:
        check_stranger()
    if EDITOR_TOKEN:
        check_live(client)
    if EDITOR_TOKEN and RESTART_URL:
        check_restarted(client)
    print(f"openfeature-provider-ofrep: {len(SERVED) + len(DEFAULTED)} evaluations as expected")


if __name__ == "__main__":
    sys.exit(main())
