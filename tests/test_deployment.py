"""The compose files say what this version understands, and no service is less hardened.

What Docker itself makes of them is for `docker compose config`.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from narrows.client.limits import Limits
from narrows.client.limits import variable as limit_variable
from service.cli.commands import app
from service.settings import Settings

ROOT = Path(__file__).parents[1]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
S3 = yaml.safe_load((ROOT / "docker-compose.s3.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OWN = {name: service for name, service in SERVICES.items() if "build" in service}
SECRET = re.compile("SECRET|PASSWORD|KEY")
SETTINGS = {f"NARROWS_{name.upper()}" for name in Settings.model_fields}


def variables(node: object) -> Iterator[str]:
    """Yield what stands in `${…}`."""
    if isinstance(node, dict):
        for value in node.values():
            yield from variables(value)
    elif isinstance(node, list):
        for value in node:
            yield from variables(value)
    elif isinstance(node, str):
        yield from re.findall(r"\$\{([^{}]+)", node)


def test_the_services() -> None:
    own = {"api", "worker", "worker-gpu", "migrate"}
    assert SERVICES.keys() == own | {"grants", "postgres", "proxy", "redis"}
    profiles = {
        name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service
    }
    assert profiles == {"proxy": ["tls"], "worker-gpu": ["gpu"]}


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_hardened(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"].partition(":")[0] not in {"", "0", "root"}
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert all("size=" in mount for mount in service["tmpfs"])
    assert "privileged" not in service
    assert "cap_add" not in service
    assert "healthcheck" in service or service["restart"] == "no"


def test_only_the_proxy_is_reached_from_outside_and_the_api_from_this_machine() -> None:
    networks = COMPOSE["networks"]
    inside = {name for name, network in networks.items() if network.get("internal")}
    assert (inside, networks.keys() - inside) == ({"database", "broker", "proxy"}, {"outside"})
    for name, service in SERVICES.items():
        reachable = name in {"api", "proxy"}
        assert ("outside" in service["networks"]) is reachable
        assert ("ports" in service) is reachable
    assert SERVICES["api"]["ports"] == ["${API_ADDRESS:-127.0.0.1:8000}:8000"]


def test_each_network_has_only_who_needs_it() -> None:
    of = {n: {s for s in SERVICES if n in SERVICES[s]["networks"]} for n in COMPOSE["networks"]}
    computing = {"api", "worker", "worker-gpu"}
    assert of["database"] == computing | {"migrate", "grants", "postgres"}
    assert of["broker"] == computing | {"redis"}
    assert of["proxy"] == {"api", "proxy"}


def test_only_the_network_of_the_proxy_is_trusted() -> None:
    (config,) = COMPOSE["networks"]["proxy"]["ipam"]["config"]
    trusting = {
        name: service["environment"]["NARROWS_TRUSTED_PROXIES"]
        for name, service in OWN.items()
        if "NARROWS_TRUSTED_PROXIES" in service["environment"]
    }
    assert trusting == {"api": config["subnet"]}


def test_workers_may_only_read_the_files_but_for_what_they_hand_over() -> None:
    for name in ("worker", "worker-gpu"):
        assert SERVICES[name]["volumes"] == ["files:/files:ro", "handover:/handover"]
    assert SERVICES["api"]["volumes"] == ["files:/files", "handover:/handover"]
    for name in ("api", "worker", "worker-gpu"):
        assert SERVICES[name]["environment"]["NARROWS_HANDOVER"] == "/handover"
    assert "volumes" not in SERVICES["migrate"]


def test_each_service_has_its_own_role_and_no_other_secret() -> None:
    roles = {"api": "api", "worker": "worker", "worker-gpu": "worker", "migrate": "migrate"}
    secrets = {
        name: {v for v in (x.partition(":")[0] for x in variables(service)) if SECRET.search(v)}
        for name, service in SERVICES.items()
    }
    for name, role in roles.items():
        url = SERVICES[name]["environment"]["NARROWS_DATABASE_URL"]
        assert url.startswith(f"postgresql://narrows_{role}:${{{role.upper()}_PASSWORD:?")
    assert secrets["api"] == {"API_PASSWORD", "REDIS_PASSWORD", "NARROWS_SECRET"}
    for name in ("worker", "worker-gpu"):
        assert secrets[name] == {"WORKER_PASSWORD", "REDIS_PASSWORD"}
    assert secrets["migrate"] == secrets["grants"] == {"MIGRATE_PASSWORD"}
    assert secrets["redis"] == {"REDIS_PASSWORD"}


def test_redis_asks_for_a_password_that_is_not_in_its_arguments() -> None:
    redis = SERVICES["redis"]
    assert "requirepass" in redis["command"][2]
    assert "$$REDISCLI_AUTH" in redis["command"][2]  # of the container, not of compose
    assert redis["environment"].keys() == {"REDISCLI_AUTH"}


@pytest.mark.parametrize("name", OWN)
def test_commands_and_settings_exist(name: str) -> None:
    command, *arguments = OWN[name]["command"]
    known = typer.main.get_command(app).commands[command]  # type: ignore[attr-defined]
    known.make_context(command, arguments)  # raises where an option is unknown
    environment = OWN[name]["environment"]
    assert environment.keys() <= SETTINGS
    plain = {key: value for key, value in environment.items() if "${" not in value}
    Settings.model_validate(
        {key.removeprefix("NARROWS_").lower(): value for key, value in plain.items()}
    )


def test_the_schema_is_there_before_who_needs_it() -> None:
    done = {"condition": "service_completed_successfully"}
    for name in ("api", "worker", "worker-gpu"):
        assert SERVICES[name]["depends_on"]["grants"] == done
    assert SERVICES["grants"]["depends_on"] == {"migrate": done}
    assert SERVICES["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}


def test_no_secret_has_a_default() -> None:
    for variable in (*variables(COMPOSE), *variables(S3)):
        name = variable.partition(":")[0]
        if SECRET.search(name):
            assert variable.startswith(f"{name}:?"), variable


def test_the_example_names_what_the_files_ask_for() -> None:
    example = re.findall(r"^#?([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.M)
    asked = {re.split("[:-]", v)[0] for v in (*variables(COMPOSE), *variables(S3))}
    assert set(example) == asked


def test_the_s3_file_only_adds() -> None:
    assert S3["services"].keys() <= SERVICES.keys()
    for service in S3["services"].values():
        assert service.keys() <= {"environment", "networks", "volumes"}
        names = {name for name in service["environment"] if not name.startswith("AWS_")}
        assert names <= SETTINGS


def test_the_image_has_a_target_for_each_build_and_all_that_is_packaged() -> None:
    text = (ROOT / "Dockerfile").read_text()
    targets = re.findall(r"^FROM \S+ AS (\S+)", text, re.M)
    assert {service["build"]["target"] for service in OWN.values()} == {"cpu", "cuda"}
    assert {"cpu", "cuda"} <= set(targets)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    ignored = (ROOT / ".dockerignore").read_text().split()
    for package in packages:
        assert text.count(f"COPY {package} {package}\n") == 1
        assert f"!{package}" in ignored
    assert "*" in ignored


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs" / "settings.md").read_text()
    rows = [line for line in text.splitlines() if line[:3] == "| `"]
    listed = {name for row in rows for name in re.findall(r"`(NARROWS_\w+)`", row.split("|")[1])}
    limits = {limit_variable(limit.name) for limit in fields(Limits)}
    assert listed == SETTINGS | limits | {"NARROWS_URL", "NARROWS_API_KEY"}
