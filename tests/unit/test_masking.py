"""What is secret is taken out of texts, by its place in a URL and by its value."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcore import masking
from mlcore.errors import MlcoreError
from mlcore.masking import conceal, conceal_environment, conceal_named, concealed, masked


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    """A process that was told of no secret; afterwards what it knew before."""
    before = masking._concealed, masking._pattern
    masking._concealed, masking._pattern = frozenset(), None
    yield
    masking._concealed, masking._pattern = before


def test_what_was_concealed_is_in_no_text_however_it_is_written() -> None:
    """As it is, percent-encoded, quoted by Python and by JSON."""
    secret = 'p@ss/wörd "1"\\'
    conceal([secret])
    url, quoted, as_json = "pl?x=p%40ss%2Fw%C3%B6rd%20%221%22%5C", repr(f"is {secret}"), json.dumps({"k": secret})
    assert masked(f"a {secret}, {url}") == "a ***, pl?x=***"
    assert masked(quoted) == repr("is ***")
    assert json.loads(masked(as_json)) == {"k": "***"}


@given(secret=st.text(min_size=16).filter(str.strip), around=st.text(max_size=20))
def test_any_long_secret_is_gone(secret: str, around: str) -> None:
    """Whatever characters it has."""
    conceal([secret])
    assert secret not in masked(f"{around}{secret}{around}").replace("***", "")


def test_words_and_numbers_stay() -> None:
    """A text without them could not be read, and a password that is such a word would be told by the gap."""
    conceal(["mlcore", "db.example.com", "123456789", "short", "x", ""])
    assert concealed() == ()
    conceal(["hunter2x", "correct-horse-battery"])
    assert masked("hunter2x and correct-horse-battery at db.example.com") == "*** and *** at db.example.com"


NAMED = {
    "SMTP_PASSWORD": "pass-1word",
    "MLFLOW_TRACKING_TOKEN": "tok-1en",
    "AWS_SECRET_ACCESS_KEY": "abc/DEF+1",
    "AIRFLOW__CORE__FERNET_KEY": "ferneT-k3y=",
    "MLCORE_SERVE_TOKENS": "one-T0ken,two-T0ken",
    "WAREHOUSE": "postgresql://me:w%40rehouse1@host/db?sslpassword=s5lpass",
    "AIRFLOW_CONN_SHOP": json.dumps({"login": "reader", "password": "sh0p-pass", "extra": '{"api_key": "extr4-key"}'}),
    "AIRFLOW_CONN_OTHER": "postgres://reader:0ther-pass@host/db",
}
SHOWN = {
    "HOME": "/srv/me-1",
    "PWD": "/srv/d1r-x",
    "AWS_ACCESS_KEY_ID": "AKIA1234567",
    "URL": "http://host-1:5000/x?page=11111111",
    "MLCORE_TRUSTED_KEYS": "/etc/keys-1",
}


def test_the_environment_tells_what_is_secret_by_its_names_and_its_urls() -> None:
    """Passwords, tokens and keys by the names of their variables, passwords within URLs and connections anywhere."""
    conceal_environment({**NAMED, **SHOWN})
    secret = [
        "pass-1word", "tok-1en", "abc/DEF+1", "ferneT-k3y=", "one-T0ken", "two-T0ken", "w@rehouse1", "w%40rehouse1",
        "s5lpass", "sh0p-pass", "extr4-key", "0ther-pass",
    ]  # fmt: skip
    for text in secret:
        assert masked(f"<{text}>") == "<***>", text
    for text in (*SHOWN.values(), "me", "reader", "host"):
        assert masked(f"<{text}>") == f"<{text}>"


def test_a_password_that_was_not_encoded_is_hidden_where_a_driver_takes_it_for_a_host() -> None:
    """``@`` and ``/`` in a password make its end a host, which is what the driver quotes."""
    conceal_environment({"DB": "postgresql://me:secre7@part-2/rest-33@db.example.com/x"})
    assert masked('could not translate host name "part-2"') == 'could not translate host name "***"'
    assert masked("me:secre7@part-2/rest-33") == "me:***"
    assert masked("at db.example.com/x") == "at db.example.com/x"


def test_the_header_that_a_server_repeats_is_hidden() -> None:
    """HTTP's basic authentication writes user and password in base 64."""
    conceal_environment({"MLFLOW_TRACKING_URI": "http://me:hunter2x@127.0.0.1:5000"})
    assert masked("you sent Basic bWU6aHVudGVyMng=") == "you sent Basic ***"


def test_what_a_variable_in_a_file_stands_for_is_hidden() -> None:
    """Whatever its name is; a variable that is not set is nobody's."""
    conceal_named('alerts: ["slack://${SLACK}", "${ABSENT}"]', {"SLACK": "A1/B2/C3c", "OTHER": "n0t-hidden"})
    assert masked("posting to /A1/B2/C3c, n0t-hidden") == "posting to /***, n0t-hidden"


def test_the_token_in_an_address_is_hidden_where_the_path_alone_is_quoted() -> None:
    """Webhooks have theirs there; ordinary parts of a path stay."""
    conceal_named("${HOOK}", {"HOOK": "https://hooks.example.com/services/T00000000/Xq3jT9aaaaaaaaaaaaaa2b?n=1"})
    said = "Max retries exceeded with url: /services/T00000000/Xq3jT9aaaaaaaaaaaaaa2b?n=1"
    assert masked(said) == "Max retries exceeded with url: /services/T00000000/***?n=1"


def test_a_token_that_a_file_holds_itself_is_hidden_wherever_it_is_repeated() -> None:
    """Not only within its URL."""
    conceal_named('{"path":"https://lake/{YYYY}.csv?sig=Ab12cd34&n=1","url":"https://x/?token=${T}"}', {})
    assert masked("the signature Ab12cd34 is over") == "the signature *** is over"


def test_errors_are_masked_in_all_their_parts() -> None:
    """Also in what is to be done next, which quotes commands."""
    conceal(["pl4nted-secret"])
    error = MlcoreError("what pl4nted-secret", where="where pl4nted-secret", next_step="run --token pl4nted-secret")
    assert "pl4nted-secret" not in str(error) + str(error.args)


def test_a_process_that_reads_its_settings_knows_its_secrets() -> None:
    """Every entry point reads the settings from the environment, and with them what is to be hidden."""
    program = (
        "import os; from mlcore.config.settings import Settings; from mlcore.masking import masked;"
        "print(masked('it is ' + os.environ['SHOP_PASSWORD'])); Settings.from_environ(os.environ);"
        "print(masked('it is ' + os.environ['SHOP_PASSWORD']))"
    )
    environ = {**os.environ, "SHOP_PASSWORD": "pl4nted-secret"}
    done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["it is pl4nted-secret", "it is ***"]
