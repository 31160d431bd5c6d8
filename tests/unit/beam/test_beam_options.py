"""The ``beam:`` block, checked by Beam's own parsers before anything runs."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import Any

import pytest

from mlcore.beam.options import LOCAL, pipeline_options
from mlcore.config.beam import Beam
from mlcore.errors import ConfigError


def test_the_default_names_its_runner() -> None:
    """Without a block, jobs run in this process on a runner that Beam need not choose or download."""
    options = pipeline_options(LOCAL).get_all_options()
    assert options["runner"] == "FnApiRunner"
    assert options["direct_running_mode"] == "in_memory"


def test_options_reach_beam_with_their_types() -> None:
    """Numbers, switches, lists, and switches that are off by being named."""
    engine = Beam.model_validate(
        {
            "runner": "FlinkRunner",
            "options": {
                "parallelism": 3,
                "flink_master": "host:8081",
                "experiments": ["one", "two"],
                "save_main_session": True,
                "use_public_ips": False,
            },
        }
    )
    options = pipeline_options(engine).get_all_options(drop_default=True)
    assert options["parallelism"] == 3
    assert options["flink_master"] == "host:8081"
    assert options["experiments"][:2] == ["one", "two"]
    assert options["save_main_session"] is True
    assert options["use_public_ips"] is False


def test_what_only_java_knows_is_handed_on() -> None:
    """A switch of Flink's that is off by default in YAML is on in Java: it must not be dropped."""
    engine = Beam(runner="FlinkRunner", options={"operator_chaining": False, "number_of_execution_retries": 3})
    handed_on = pipeline_options(engine).get_all_options(retain_unknown_options=True)
    assert (handed_on["operator_chaining"], handed_on["number_of_execution_retries"]) in {
        ("false", "3"),
        ("false", 3),
        (False, 3),
    }


@pytest.mark.parametrize(
    ("block", "said", "where"),
    [
        ({"runner": "FlinkRunner", "options": {"paralelism": 2}}, "unknown option 'paralelism'", "paralelism"),
        ({"options": {"object_reuse": True}}, "unknown option 'object_reuse' for FnApiRunner", "object_reuse"),
        ({"options": {"direct_num_workers": "many"}}, "Beam refuses an option: .*direct_num_workers", ""),
        ({"options": {"direct_running_mode": "fast"}}, "Beam refuses an option: .*invalid choice", ""),
        ({"options": {"runner": "DirectRunner"}}, "named twice", "runner"),
        ({"runner": "PortableRunner"}, "needs the option 'job_endpoint'", "job_endpoint"),
        ({"runner": "DataflowRunner", "options": {"project": "p"}}, "needs the option 'region'", "region"),
    ],
)
def test_a_wrong_option_is_named(block: dict[str, Any], said: str, where: str) -> None:
    """Every mistake is an error that names the option, never a silent default and never the end of the process."""
    with pytest.raises(ConfigError, match=said) as caught:
        pipeline_options(Beam.model_validate(block))
    assert caught.value.where == ".".join(["beam.options", where]).rstrip(".")
    assert caught.value.next_step


def test_a_misspelt_option_is_guessed() -> None:
    """The advice names the option that was probably meant."""
    with pytest.raises(ConfigError) as caught:
        pipeline_options(Beam(runner="FlinkRunner", options={"paralelism": 2}))
    assert caught.value.next_step == "did you mean 'parallelism'?"


def test_importing_beam_is_quiet_and_everything_else_is_heard() -> None:
    """In a fresh process the warning about a client that nothing here uses is not logged; other warnings are."""
    program = (
        "import logging; logging.basicConfig(level=logging.INFO, format='%(message)s')\n"
        "from mlcore.beam.quiet import import_beam\n"
        "import_beam(); logging.warning('heard'); print(len(logging.getLogger().filters))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "apitools" not in done.stderr
    assert "heard" in done.stderr
    assert done.stdout.strip() == "0"
    assert logging.getLogger().filters == []
