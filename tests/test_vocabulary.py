"""What is spelled once is what everybody knows."""

from dataclasses import fields
from typing import get_args

from narrows.losses import LOSSES
from narrows.methods import gauss_newton
from narrows.methods.table import CRITERIA
from narrows.options import AdviseOptions, AnalysisOptions
from narrows.trials.options import FineTune, Recipe, TrialOptions
from narrows.vocabulary import (
    CURVATURE_METHODS,
    LOSS_NAMES,
    METHODS,
    TaskName,
)
from service.analyses.request import AnalysisRequest
from service.broker.celery_app import TASKS
from service.naming.schemas import NAMING
from service.trials.recipe_request import FineTuneRequest, RecipeRequest
from service.trials.request import TrialRequest, options_of
from service.trials.terms import own_terms
from worker.runtime.work.table import ALL_WORK

IDS = {"model_id": "mdl_1", "dataset_id": "dst_1"}


def test_every_method_has_a_criterion() -> None:
    assert tuple(CRITERIA) == METHODS
    curved = {name for name, row in CRITERIA.items() if row.measure is gauss_newton.measure}
    assert curved == CURVATURE_METHODS


def test_every_loss_can_be_computed() -> None:
    assert LOSSES.keys() == set(LOSS_NAMES)


def test_every_task_has_a_queue_and_work() -> None:
    assert TASKS.keys() == {work.task for work in ALL_WORK} == set(get_args(TaskName))


def test_a_request_has_the_options_and_their_defaults() -> None:
    names = AnalysisRequest.model_fields.keys() - {*IDS, *NAMING, "transform"}
    assert names == {field.name for field in fields(AnalysisOptions)}
    asked = AnalysisRequest.model_validate(IDS).model_dump(mode="json")
    # the rule is the method's, and said, so that the request shows it
    assert AnalysisOptions.from_json(asked) == AnalysisOptions(rule="worth")


def test_a_trial_has_the_options_and_their_defaults() -> None:
    names = TrialRequest.model_fields.keys() - {*IDS, *NAMING, "transform", "analysis_id"}
    assert names == {field.name for field in fields(TrialOptions)}
    for request, options in ((RecipeRequest, Recipe), (FineTuneRequest, FineTune)):
        assert list(request.model_fields) == [field.name for field in fields(options)]
    terms = own_terms(TrialRequest.model_validate(IDS))
    assert options_of(terms) == TrialOptions()


def test_options_are_parsed_whole() -> None:
    plan = {"name": "mine", "factors": {"features.3": 1.5}}
    request = {"plans": ["double", plan], "build": ["mine"], "exclude": ["head"], "blocks": 3,
               "advise": {"cost": "macs"}}  # fmt: skip
    asked = AnalysisRequest.model_validate({**IDS, **request}).model_dump(mode="json")
    options = AnalysisOptions.from_json(asked)
    assert options.plan_names == ["double", "mine"]
    assert options.custom_plans == {"mine": {"features.3": 1.5}}
    assert (options.build, options.exclude, options.blocks) == (("mine",), ("head",), 3)
    assert options.advise == AdviseOptions(0.1, "macs", None)
    assert {options: 1}[AnalysisOptions.from_json(asked)] == 1  # hashable, and equal
