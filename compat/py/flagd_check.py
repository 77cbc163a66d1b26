"""PyPI openfeature-provider-flagd, unmodified, against a running Tidegate; see ../README.md.

flagd_check.py check in-process|rpc     every answer is as expected, or it ends with 1
flagd_check.py watch in-process|rpc     a line of JSON for each value of the flag `live`, until it is ended
flagd_check.py units in-process         the variation of every unit of ../units.json, as JSON
"""

import json
import os
import pathlib
import sys
import threading

from openfeature import api
from openfeature.contrib.provider.flagd import FlagdProvider
from openfeature.contrib.provider.flagd.config import ResolverType
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent

COMMAND, RESOLVER = sys.argv[1:3]
EVALUATION = os.environ.get("TIDEGATE_FLAGD_EVALUATION", "127.0.0.1:8013")
SYNC = os.environ.get("TIDEGATE_FLAGD_SYNC", "127.0.0.1:8015")
SELECTOR = os.environ.get("TIDEGATE_FLAGD_SELECTOR")

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
]

# type, flag, caller's default, then the error code
DEFAULTED = [
    ("boolean", "compat-missing", True, "FLAG_NOT_FOUND"),
    ("boolean", "compat-string", True, "TYPE_MISMATCH"),
    ("integer", "compat-float", 7, "TYPE_MISMATCH"),
]


def connected():
    host, port = (EVALUATION if RESOLVER == "rpc" else SYNC).split(":")
    provider = FlagdProvider(
        host=host,
        port=int(port),
        tls=False,
        resolver_type=ResolverType(RESOLVER),
        selector=SELECTOR,
        deadline_ms=10_000,
        retry_backoff_ms=50,
        retry_backoff_max_ms=200,
    )
    api.set_provider_and_wait(provider)
    return api.get_client()


def ask(client, kind, flag, default, context=None):
    return getattr(client, f"get_{kind}_details")(flag, default, context)


def check(client):
    # First, because clients keep STATIC answers, whatever type the next one asks for.
    for kind, flag, default, code in DEFAULTED:
        details = ask(client, kind, flag, default)
        assert details.value == default, (flag, details)
        assert details.error_code is not None and details.error_code.value == code, (flag, details)
    for kind, flag, default, context, value, variant, reason in SERVED:
        # Twice: the second answer may come from the client's own cache.
        for reasons in ({reason}, {reason, "CACHED"}):
            details = ask(client, kind, flag, default, context)
            found = (details.value, details.variant, details.error_code)
            assert found == (value, variant, None), (flag, found, details.error_message)
            assert str(details.reason) in reasons, (flag, details.reason)
            assert type(details.value) is type(value), (flag, details.value)
    assert ask(client, "string", "compat-disabled", "mine").value == "mine"
    if RESOLVER == "rpc":
        # In process, flagd has a variant for everybody: the flag's default one.
        assert ask(client, "string", "compat-split", "mine").value == "mine", "without a unit"
    variants = set()
    for i in range(50):
        context = EvaluationContext(targeting_key=f"user-{i}")
        first = ask(client, "string", "compat-split", "", context)
        again = ask(client, "string", "compat-split", "", context)
        assert first.variant == again.variant, (first, again)
        assert str(again.reason) in {"SPLIT", "TARGETING_MATCH"}, again
        variants.add(first.variant)
    assert variants == {"left", "right"}, variants


def watch(client):
    # The SDK calls handlers from several threads at once: their lines must not mix, nor an older
    # answer be told after a newer one.
    telling = threading.Lock()

    def tell(_details=None):
        with telling:
            value = ask(client, "string", "live", "mine", UNIT).value
            print(json.dumps({"live": value}), flush=True)

    client.add_handler(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED, tell)
    # A client that was away while something changed is only told that it is connected again.
    client.add_handler(ProviderEvent.PROVIDER_READY, tell)
    tell()
    threading.Event().wait()


def units(client):
    fixture = json.loads((pathlib.Path(__file__).parent.parent / "units.json").read_text())
    answers = {}
    for flag in fixture["flags"]:
        found = answers[flag["key"]] = []
        for i in range(fixture["count"]):
            context = EvaluationContext(
                targeting_key=f"unit-{i}",
                attributes={
                    "company": f"company-{i % 97}",
                    "plan": "pro" if i % 3 == 0 else "free",
                    "age": i % 80,
                },
            )
            details = ask(client, "string", flag["key"], "mine", context)
            found.append(details.variant or str(details.error_code))
    json.dump(answers, sys.stdout)


def main():
    {"check": check, "watch": watch, "units": units}[COMMAND](connected())
    api.shutdown()


if __name__ == "__main__":
    main()
