from __future__ import annotations

import pytest
import torch

from pricebench.modes import MODES, mode_named
from pricebench.suite import asked_workload, forward_case, train_step_case
from pricebench.workload import load_workload
from tests.some_models import imprecise, shifting, tagger

CPU = torch.device("cpu")
EAGER, TORCHSCRIPT, FX, COMPILE = MODES


def test_a_forward_pass_of_keyword_arguments_is_described_and_checked():
    case = forward_case(tagger(), EAGER, "full", CPU)

    # By hand: 16 rows of 8 words are 128 int64 and 128 float32; 50 x 8 + 8 x 4 + 4 parameters; 16 x (4 + 8) outputs.
    assert case.info["bytes"] == 128 * 8 + 128 * 4 + 436 * 4 + 192 * 4
    assert case.info["flop"] == 16 * 2 * 8 * 4
    assert {name: case.info[name] for name in ("workload", "mode", "shape", "rows", "dtype")} == {
        "workload": "tagger",
        "mode": "eager",
        "shape": "full",
        "rows": 16,
        "dtype": "float32",
    }
    errors = case.check(case.inputs.call(case.call))
    assert errors["reference"] == "float64"
    assert errors["relative_error"] == errors["eager_relative_error"] < 1e-6


def test_a_wrong_answer_says_which_output_where_and_how_large_beside_eager_before_anything_is_timed():
    with pytest.raises(pytest.fail.Exception, match=r"wrong answer: \['wrong'\]\[\d+, \d.*eager is off by 0.01"):
        forward_case(imprecise(), EAGER, "full", CPU)


def test_a_mode_that_cannot_take_the_model_skips_with_its_reason():
    with pytest.raises(pytest.skip.Exception, match=r"fx cannot trace Branching: .*use another mode"):
        forward_case(load_workload("tests/some_models.py:branching"), FX, "full", CPU)


def test_what_eager_raises_is_no_reason_to_skip():
    workload = shifting()

    with pytest.raises(ValueError, match="used before"):
        forward_case(workload.__class__(**{**_fields(workload), "make_inputs": _spent}), EAGER, "full", CPU)


def _fields(workload):
    return {name: getattr(workload, name) for name in workload.__dataclass_fields__}


def _spent(sizes):
    return torch.full((sizes["batch"], 4), 2.0)


def test_a_shape_that_the_workload_has_not_skips():
    with pytest.raises(pytest.skip.Exception, match="tagger has no shape 'long'; it has full, residual, single"):
        forward_case(tagger(), EAGER, "long", CPU)


def test_a_workload_without_a_loss_skips_training():
    with pytest.raises(pytest.skip.Exception, match="shifting has no loss"):
        train_step_case(shifting(), EAGER, "full", CPU)


def test_a_mode_for_inference_alone_skips_training_with_its_reason():
    with pytest.raises(pytest.skip.Exception, match="onnxruntime cannot train: it is for inference alone"):
        train_step_case(tagger(), mode_named("onnxruntime"), "full", CPU)


def test_a_mode_made_ahead_of_time_is_checked_before_anything_is_timed_too():
    with pytest.raises(pytest.fail.Exception, match=r"wrong answer: \['wrong'\]"):
        forward_case(imprecise(), mode_named("onnxruntime"), "full", CPU)


def test_a_module_that_changes_its_inputs_gets_fresh_ones_for_every_timed_call(benchmark):
    case = forward_case(shifting(), EAGER, "full", CPU)

    case.run(benchmark)

    assert case.is_fresh
    assert benchmark.extra_info["max_abs_error"] < 1e-5


@pytest.mark.parametrize("mode", [EAGER, FX], ids=["eager", "fx"])
def test_training_steps_with_dropout_are_checked_without_it_and_timed_with_it(mode):
    case = train_step_case(tagger(dropout=0.5), mode, "full", CPU)

    losses = {round(case.inputs.call(case.call).item(), 6) for _ in range(4)}

    assert case.info["checked"].startswith("dropout is off while training steps are checked")
    assert case.info["relative_error"] < 1e-5
    assert len(losses) > 1


def test_training_steps_without_randomness_carry_no_remark():
    assert "checked" not in train_step_case(tagger(), EAGER, "residual", CPU).info


def test_a_workload_that_cannot_be_made_ends_the_run_with_its_reason(pytestconfig, monkeypatch):
    monkeypatch.setattr(pytestconfig.option, "workload", "tests/some_models.py:nothing")

    with pytest.raises(pytest.exit.Exception, match="has no 'nothing'") as ended:
        asked_workload(pytestconfig, CPU)
    assert ended.value.returncode == 2
