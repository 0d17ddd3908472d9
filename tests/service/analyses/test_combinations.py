"""A request whose parts can't be had together is refused with what to choose instead."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from service.database.tables import Model
from tests.support.answers import created, problem

Json = dict[str, Any]
PATH = "/v1/analyses"


def mine(**factors: float) -> Json:
    return {"name": "mine", "factors": factors}


INSPECTION = {
    "layers": [
        {"name": "stem", "group": 0, "reason": None},
        {"name": "skip", "group": 0, "reason": None},
        {"name": "neck", "group": 1, "reason": None},
        {"name": "head", "group": None, "reason": "Its channels can't be pruned: outputs."},
    ],
    "groups": [
        {"group": 0, "width": 8, "layers": ["stem", "skip"]},
        {"group": 1, "width": 4, "layers": ["neck"]},
    ],
}


@pytest.fixture
def body(model: Json, dataset: Json) -> Json:
    return {"model_id": model["id"], "dataset_id": dataset["id"]}


@pytest.fixture
def inspected(body: Json, alter: Callable[..., None]) -> Json:
    alter(Model, body["model_id"], state="ready", inspection=INSPECTION)
    return body


def test_all_of_it(ann: httpx.Client, inspected: Json) -> None:
    asked: Json = {
        "cost": "macs", "init": "fresh", "exclude": ["neck"],
        "plans": ["uniform", mine(stem=1.5, skip=1.5)], "build": ["mine", "uniform", "pruned"],
    }  # fmt: skip
    made = created(ann.post(PATH, json=inspected | asked))
    assert {name: made["request"][name] for name in asked} == asked


@pytest.mark.parametrize(
    "asked",
    [
        {"method": "joint", "gate": "channel", "curvature": "exact", "blocks": 20},
        {"method": "sosp_i", "curvature": "sampled", "loss": "mse"},
        {"method": "fisher", "loss": "model"},
        {"method": "exact", "gate": "channel", "cost": "parameters"},
    ],
    ids=str,
)
def test_every_method(asked: Json, ann: httpx.Client, inspected: Json) -> None:
    made = created(ann.post(PATH, json=inspected | asked))
    assert {name: made["request"][name] for name in asked} == asked


def test_a_programs_own_loss_has_a_method_that_suits(ann: httpx.Client, body: Json) -> None:
    assert created(ann.post(PATH, json=body | {"loss": "model"}))["request"]["method"] == "sosp_h"


@pytest.mark.parametrize(
    ("asked", "rule"),
    [
        ({}, "worth"),
        ({"method": "joint"}, "worth"),
        ({"method": "sosp_h"}, "pruning_ratio"),
        ({"loss": "model"}, "pruning_ratio"),
        ({"rule": "pruning_ratio"}, "pruning_ratio"),
        ({"method": "fisher", "rule": None}, "pruning_ratio"),
    ],
    ids=str,
)
def test_the_request_shows_the_rule_that_it_gets(
    ann: httpx.Client, body: Json, asked: Json, rule: str
) -> None:
    request = created(ann.post(PATH, json=body | asked))["request"]
    assert request["rule"] == rule
    assert created(ann.post(PATH, json=request))["request"] == request


def test_nothing_but_a_pruned_network(ann: httpx.Client, body: Json) -> None:
    created(ann.post(PATH, json=body | {"plans": [], "build": ["pruned"]}))


def test_advice_is_asked_for(ann: httpx.Client, body: Json) -> None:
    advised = {"plans": ["advise"], "advise": {"budget": 0.2, "cost": "macs"}, "build": ["advise"]}
    request = created(ann.post(PATH, json=body | advised))["request"]
    assert request["advise"] == {"budget": 0.2, "cost": "macs", "multiple": None}
    assert created(ann.post(PATH, json=request))["request"] == request
    default = created(ann.post(PATH, json=body | {"plans": ["advise"]}))["request"]
    assert created(ann.post(PATH, json=default))["request"]["advise"] is None


@pytest.mark.parametrize(
    ("change", "pointer", "detail"),
    [
        ({"method": "joint", "loss": "model"}, "/method", "choose 'sosp_h', or one of the losses"),
        ({"method": "sosp_h", "curvature": "exact"}, "/curvature", "'sosp_i', 'joint' or 'obs'"),
        (
            {"method": "sosp_h", "rule": "worth"},
            "/rule",
            "what the method 'sosp_h' does not measure; choose the method 'sosp_i', 'joint' or "
            "'obs', or the rule 'pruning_ratio'",
        ),
        ({"loss": "model", "rule": "worth"}, "/rule", "the method 'sosp_h' does not measure"),
        ({"method": "fisher", "blocks": 5}, "/blocks", "choose 'sosp_i', 'joint' or 'obs'"),
        ({"plans": ["double", "double"]}, "/plans/1", "two plans 'double'"),
        ({"plans": [mine(stem=2), mine(neck=2)]}, "/plans/1", "two plans 'mine'"),
        (
            {"plans": [{"name": "pruned", "factors": {"stem": 2}}]},
            "/plans/0/name",
            "choose another",
        ),
        (
            {"plans": ["double"], "build": ["double", "uniform"]},
            "/build/1",
            "choose from 'double', 'pruned', or add it to `plans`",
        ),
        ({"build": ["double", "double"]}, "/build/1", "twice"),
        (
            {"plans": ["double", "advise"], "method": "sosp_h"},
            "/plans/1",
            "needs worth, which 'sosp_h' does not measure; choose the method 'sosp_i', 'joint' or",
        ),
        ({"plans": ["advise"], "loss": "model"}, "/plans/0", "which 'sosp_h' does not measure"),
        ({"advise": {"budget": 0.1}}, "/advise", "no plan 'advise'; add it to `plans`"),
        (
            {"plans": [{"name": "advise", "factors": {"stem": 2}}]},
            "/plans/0/name",
            "choose another",
        ),
        (
            {"plans": [mine(neck=2)], "exclude": ["neck"]},
            "/plans/0/factors/neck",
            "take it out of one",
        ),
    ],
)
def test_before_the_model_is_inspected(
    ann: httpx.Client, body: Json, change: Json, pointer: str, detail: str
) -> None:
    (error,) = problem(ann.post(PATH, json=body | change), 422, "invalid")["errors"]
    assert error["pointer"] == pointer
    assert detail in error["detail"]


@pytest.mark.parametrize(
    ("change", "pointer", "detail"),
    [
        ({"exclude": ["steem"]}, "/exclude/0", "no layer 'steem'; choose from 'stem'."),
        (
            {"exclude": ["stem", "neck", "head"]},
            "/exclude",
            "nothing to prune; take out one of 'neck', 'stem'",
        ),
        (
            {"plans": ["double", mine(x=2)]},
            "/plans/1/factors/x",
            "no layer 'x'; choose from 'stem', 'skip', 'neck'.",
        ),
        (
            {"plans": [mine(head=2)]},
            "/plans/0/factors/head",
            "can't be pruned: outputs. Choose from 'stem', 'skip', 'neck'.",
        ),
        (
            {"plans": [mine(skip=2)], "exclude": ["stem"]},
            "/plans/0/factors/skip",
            "shares its channels with 'stem', which `exclude` names",
        ),
        ({"plans": [mine(stem=2, skip=3)]}, "/plans/0/factors/stem", "the same factor"),
    ],
)
def test_of_an_inspected_model(
    ann: httpx.Client, inspected: Json, change: Json, pointer: str, detail: str
) -> None:
    (error,) = problem(ann.post(PATH, json=inspected | change), 422, "invalid")["errors"]
    assert error["pointer"] == pointer
    assert detail in error["detail"]
