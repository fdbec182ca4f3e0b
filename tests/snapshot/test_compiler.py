"""The compiler: which policy wins, where it came from, what is refused and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from apigw_cli.config import project
from apigw_cli.errors import InputError, UsageError
from apigw_cli.snapshot import compiler, model, release
from apigw_cli.snapshot.schemes import ApiKeys
from tests.snapshot.conftest import CONFIG, REGISTRY, SPEC, Compile, Write


def errors(build: Compile, *args: str, **kwargs: Any) -> list[tuple[str, str]]:
    with pytest.raises(InputError) as caught:
        build(*args, **kwargs)
    return [(str(e.place), e.message) for e in (caught.value, *caught.value.others)]


def test_routes_carry_base_path_hosts_and_integration(build: Compile) -> None:
    compiled = build(CONFIG.replace("upstream: pets\n", "upstream: pets\n    hosts: [API.Shop.localhost]\n", 1))
    routes = compiled.snapshot.routes
    assert [(r.method, r.path, r.operation) for r in routes] == [
        ("GET", "/v1/pets", "listPets"),
        ("POST", "/v1/pets", "POST /pets"),
        ("GET", "/v1/pets/{id}", "getPet"),
    ]
    assert {r.hosts for r in routes} == {("api.shop.localhost",)}
    assert {r.integration for r in routes} == {model.HttpIntegration("pets")}


LAYERS = {
    "route": (
        "apigw.yaml",
        "    upstream: pets\n",
        "    upstream: pets\n    routes: {getPet: {limit: {rate: route}}}\n",
    ),
    "x-apigw of the operation": ("shop", "operationId: getPet,", "operationId: getPet, x-apigw: {limit: {rate: op}},"),
    "x-apigw of the path": ("shop", "  /pets/{id}:\n", "  /pets/{id}:\n    x-apigw: {limit: {rate: path}}\n"),
    "API default": ("apigw.yaml", "    upstream: pets\n", "    upstream: pets\n    defaults: {limit: {rate: api}}\n"),
    "x-apigw of the specification": ("shop", "paths:\n", "x-apigw: {limit: {rate: spec}}\npaths:\n"),
    "gateway default": ("apigw.yaml", "apis:\n", "defaults: {limit: {rate: gateway}}\napis:\n"),
}


@pytest.mark.parametrize("first", range(len(LAYERS)))
def test_the_most_specific_layer_wins_and_all_are_told(build: Compile, first: int) -> None:
    texts = {"apigw.yaml": CONFIG, "shop": SPEC}
    for file, old, new in list(LAYERS.values())[first:]:
        texts[file] = texts[file].replace(old, new, 1)
    compiled = build(texts["apigw.yaml"], texts["shop"])
    origins = compiled.provenance.of("shop:getPet", "policies.limit")
    assert [origin.note for origin in origins] == list(LAYERS)[first:]
    route = next(r for r in compiled.snapshot.routes if r.operation == "getPet")
    assert route.policies["limit"] == {"rate": origins[0].text}
    for origin in origins:
        line = (texts["apigw.yaml"] if origin.place.file == "apigw.yaml" else texts["shop"]).split("\n")[
            origin.place.line - 1
        ]
        assert line[origin.place.column - 1 :].startswith("{rate: " + origin.text)


def test_off_switches_an_inherited_policy_off(build: Compile) -> None:
    text = CONFIG.replace(
        "upstream: pets\n", "upstream: pets\n    defaults: {limit: {rate: a}}\n    routes: {getPet: {limit: off}}\n", 1
    )
    compiled = build(text)
    assert [("limit" in r.policies) for r in compiled.snapshot.routes] == [True, True, False]
    assert [o.text for o in compiled.provenance.of("shop:getPet", "policies.limit")] == ["off", "a"]


def test_a_route_may_be_named_by_method_and_path(build: Compile) -> None:
    text = CONFIG.replace("upstream: pets\n", 'upstream: pets\n    routes: {"POST /pets": {mock: true}}\n', 1)
    kinds = {r.operation: type(r.integration).__name__ for r in build(text).snapshot.routes}
    assert kinds == {"listPets": "HttpIntegration", "POST /pets": "MockIntegration", "getPet": "HttpIntegration"}


def test_a_stage_overrides_values_and_fills_variables(build: Compile) -> None:
    text = CONFIG.replace("http://127.0.0.1:9001", "${url}").replace(
        "upstream: pets\n", "upstream: pets\n    defaults: {limit: {rate: a}}\n", 1
    )
    stage = "variables: {url: 'http://10.0.0.1'}\noverrides:\n  apis.shop.defaults.limit: {rate: b}\n"
    compiled = build(text, stages__qa=stage)
    assert compiled.snapshot.stage == "qa"
    assert compiled.snapshot.upstreams["pets"].targets == ("http://10.0.0.1",)
    assert {r.policies["limit"]["rate"] for r in compiled.snapshot.routes} == {"b"}
    assert compiled.provenance.place("shop:getPet", "policies.limit") is not None
    assert str(compiled.provenance.place("shop:getPet", "policies.limit")) == "stages/qa.yaml:3:29"


def test_release_and_stage_give_the_snapshot_of_the_working_files(build: Compile, write: Write) -> None:
    stage = "variables: {url: 'http://10.0.0.1'}\n"
    config = CONFIG.replace("http://127.0.0.1:9001", "${url}")
    compiled = build(config, stages__qa=stage)
    made = release.build(project.load(write(config, stages__qa=stage)))
    again = release.decode(made.encode())
    assert again.digest == made.digest
    from_release = compiler.compile_release(again, "qa", {"variables": {"url": "http://10.0.0.1"}}, REGISTRY)
    assert from_release.snapshot.digest == compiled.snapshot.digest


def test_a_snapshot_survives_its_bytes(build: Compile) -> None:
    snapshot = build().snapshot
    assert model.decode(snapshot.encode()).encode() == snapshot.encode()


def test_the_digest_ignores_comments_and_spacing(build: Compile) -> None:
    assert build().snapshot.digest == build("# a comment\n" + CONFIG.replace("\n", "\n\n"), SPEC).snapshot.digest


SECURED = SPEC.replace("paths:\n", "security: [{Key: []}]\npaths:\n", 1) + (
    "components: {securitySchemes: {Key: {type: apiKey, in: header, name: X-Key}, O: {type: oauth2, flows: {}}}}\n"
)


def test_security_becomes_a_policy(build: Compile) -> None:
    spec = SECURED.replace("operationId: getPet,", "operationId: getPet, security: [],")
    compiled = build(CONFIG + "auth: {Key: {keys: {file: keys.yaml}}}\n", spec)
    assert [r.policies.get("auth") for r in compiled.snapshot.routes] == [
        {"alternatives": [["Key"]]},
        {"alternatives": [["Key"]]},
        None,
    ]
    assert compiled.snapshot.auth["Key"] == ApiKeys("Key", "header", "X-Key", ("file:keys.yaml",))


def test_a_scheme_without_configuration_refuses_to_load(build: Compile) -> None:
    assert errors(build, CONFIG, SECURED) == [
        ("shop.yaml:11:37", 'routes of "shop" need Key, which has no configuration')
    ]


def test_a_scheme_of_another_type_is_refused_not_ignored(build: Compile) -> None:
    found = errors(build, CONFIG, SECURED.replace("[{Key: []}]", "[{O: []}]").replace("oauth2, flows: {}", "other"))
    assert found == [("shop.yaml:11:81", 'security scheme "O" is of type other, which this version cannot check')]


def test_a_scheme_is_checked_in_a_way_that_fits_it(build: Compile) -> None:
    config = CONFIG + "auth: {Key: {mutual_tls: {}}}\n"
    assert errors(build, config, SECURED) == [
        ("apigw.yaml:8:14", 'security scheme "Key" is of type apiKey: mutual_tls cannot check it')
    ]
    both = CONFIG + "auth: {Key: {keys: {file: f}, mutual_tls: {}}}\n"
    assert [message for _, message in errors(build, both, SECURED)] == [
        "expected exactly one of keys, jwt, basic, authorizer, mutual_tls"
    ]


def test_scopes_stand_beside_the_alternatives(build: Compile) -> None:
    spec = SECURED.replace("[{Key: []}]", "[{Key: [b, a, a]}, {Key: []}]")
    (policy, *_) = [r.policies["auth"] for r in build(CONFIG + "auth: {Key: {keys: {env: K}}}\n", spec).snapshot.routes]
    assert policy == {"alternatives": [["Key"], ["Key"]], "scopes": [{"Key": ["a", "b"]}, {}]}


def test_an_undeclared_scheme_is_an_error(build: Compile) -> None:
    found = errors(build, CONFIG, SECURED.replace("[{Key: []}]", "[{Kee: []}]"))
    assert found == [("shop.yaml:4:11", 'security scheme "Kee" is not declared in shop.yaml')]


def test_security_off_is_said_aloud(build: Compile) -> None:
    text = CONFIG.replace("upstream: pets\n", "upstream: pets\n    security: off\n", 1)
    assert all("auth" not in r.policies for r in build(text, SECURED).snapshot.routes)


WRONG = [
    ("spec: shop.yaml", "spec: shp.yaml", "apigw.yaml:4:11", "no such file: shp.yaml"),
    ("upstream: pets", "upstream: pet", "apigw.yaml:5:15", 'there is no upstream "pet"'),
    (
        "    upstream: pets\n",
        "    upstream: pets\n    routes: {getPt: {}}\n",
        "apigw.yaml:6:14",
        'no operation "getPt" in shop.yaml',
    ),
    ("    upstream: pets\n", "", "apigw.yaml:3:3", 'nothing answers the routes of "shop"'),
    (
        "    upstream: pets\n",
        "    upstream: pets\n    hosts: ['a:80']\n",
        "apigw.yaml:6:13",
        '"a:80" is not a host name',
    ),
    (
        "http://127.0.0.1:9001",
        "127.0.0.1",
        "apigw.yaml:7:20",
        'target "127.0.0.1" is not an http:// or https:// URL',
    ),
    (
        "http://127.0.0.1:9001",
        "http://a:b@h:1",
        "apigw.yaml:7:20",
        'target "http://…@h:1" holds credentials, which belong in a header by reference',
    ),
    (
        "http://127.0.0.1:9001",
        "http://h/${x}",
        "apigw.yaml:7:20",
        "variable ${x} is not defined in this stage",
    ),
    (
        '["http://127.0.0.1:9001"]',
        '[{url: "http://h/p", weight: 2}]',
        "apigw.yaml:7:26",
        'target "http://h/p" holds a path or query',
    ),
    (
        '["http://127.0.0.1:9001"]',
        '["http://127.0.0.1:9001"], balance: hash',
        "apigw.yaml:7:9",
        "balance: hash needs hash_on: ip, header:NAME or cookie:NAME",
    ),
    (
        '["http://127.0.0.1:9001"]',
        '["http://127.0.0.1:9001"], retries: {budget: 120%}',
        "apigw.yaml:7:64",
        "expected a percentage such as 20%, at most 100%, got '120%'",
    ),
    (
        '["http://127.0.0.1:9001"]',
        '["http://127.0.0.1:9001"], eject: {first: 1m, longest: 1s}',
        "apigw.yaml:7:53",
        "first must be more than nothing and not more than longest",
    ),
    (
        '["http://127.0.0.1:9001"]',
        '["http://127.0.0.1:9001"], when_all_out: refuse',
        "apigw.yaml:7:9",
        "when_all_out: refuse needs health or eject: without them no target is ever out",
    ),
    (
        '["http://127.0.0.1:9001"]',
        '["http://127.0.0.1:9001"], balance: hash, hash_on: ip, slow_start: 1s',
        "apigw.yaml:7:9",
        "slow_start has no effect with balance: hash",
    ),
    (
        "upstreams:",
        "auth: {Kay: {keys: {file: f, env: E}}}\nupstreams:",
        "apigw.yaml:6:8",
        'no specification declares a security scheme called "Kay"',
    ),
]


@pytest.mark.parametrize(("old", "new", "place", "message"), WRONG)
def test_what_is_wrong_in_the_configuration_has_its_place(
    build: Compile, old: str, new: str, place: str, message: str
) -> None:
    assert (place, message) in errors(build, CONFIG.replace(old, new, 1))


@pytest.mark.parametrize(
    ("schemas", "message"),
    [
        ("A: {$ref: '#/components/schemas/Nope'}", "$ref '#/components/schemas/Nope' leads to nowhere"),
        ("A: {$ref: '#/components/schemas/A'}", "$ref '#/components/schemas/A' goes in a circle"),
        ("A: {$ref: 'other.yaml#/B'}", "no such file: other.yaml"),
    ],
)
def test_a_reference_that_leads_nowhere_is_an_error_at_load(build: Compile, schemas: str, message: str) -> None:
    spec = SPEC + f"components:\n  schemas:\n    {schemas}\n"
    assert errors(build, CONFIG, spec) == [("shop.yaml:12:15", message)]


def test_a_recursive_schema_is_no_circle(build: Compile) -> None:
    spec = SPEC + "components: {schemas: {A: {properties: {a: {$ref: '#/components/schemas/A'}}}}}\n"
    assert len(build(CONFIG, spec).snapshot.routes) == 3


def test_the_same_route_twice_is_an_error_naming_both(build: Compile) -> None:
    spec = SPEC + "  /pets/{name}:\n    get: {operationId: other, responses: {}}\n"
    ((place, message),) = errors(build, CONFIG, spec)
    assert place == "shop.yaml:11:5"
    assert "GET /v1/pets/{name} and GET /v1/pets/{id} are one route" in message
    assert "shop.yaml:9:5" in message


def test_the_same_template_with_other_methods_merges(build: Compile) -> None:
    spec = SPEC + "  /pets/{name}:\n    put: {operationId: other, responses: {}}\n"
    assert len(build(CONFIG, spec).snapshot.routes) == 4


def test_a_named_host_and_any_host_are_two_routes(build: Compile) -> None:
    named = CONFIG.replace("    upstream: pets\n", "    upstream: pets\n    hosts: [a.localhost]\n", 1)
    both = named.replace("upstreams:", "  twin: {spec: shop.yaml, upstream: pets}\nupstreams:")
    assert len(build(both).snapshot.routes) == 6


def test_the_same_route_on_other_hosts_is_none(build: Compile) -> None:
    text = CONFIG.replace("    upstream: pets\n", "    upstream: pets\n    hosts: [a.localhost]\n", 1)
    two = text.replace("upstreams:", "  twin: {spec: shop.yaml, upstream: pets, hosts: [b.localhost]}\nupstreams:")
    assert len(build(two).snapshot.routes) == 6
    overlapping = two.replace("[b.localhost]", "[b.localhost, a.localhost]")
    assert len(errors(build, overlapping)) == 3


@pytest.mark.parametrize("path", ["pets", "/a/{b", "/a/b}", "/a?x=1", "/{}", "/{a}/{a}", "/{a+}/b", "/b{a+}"])
def test_a_path_that_can_never_match_is_an_error(build: Compile, path: str) -> None:
    spec = SPEC + f"  {path!r}:\n    get: {{operationId: other, responses: {{}}}}\n"
    ((place, message),) = errors(build, CONFIG, spec)
    assert place == "shop.yaml:10:3"
    assert message.startswith(f'path "{path}" ')


def test_an_error_in_x_apigw_is_in_the_specification(build: Compile) -> None:
    spec = SPEC.replace("paths:\n", "x-apigw: {limt: {rate: 1}}\npaths:\n", 1)
    assert errors(build, CONFIG, spec) == [("shop.yaml:4:11", 'unknown key "limt"')]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("apis.shp.mock: true", 'override "apis.shp.mock": there is no "shp" under apis'),
        ("api.shop.mock: true", 'override "api.shop.mock" names nothing in apigw.yaml'),
        ("version: 2", "version is the same in every stage"),
        ("apis.shop.moc: true", 'unknown key "moc"'),
    ],
)
def test_an_override_that_names_nothing_is_an_error_in_the_stage_file(
    build: Compile, override: str, message: str
) -> None:
    assert errors(build, stages__qa=f"overrides:\n  {override}\n") == [("stages/qa.yaml:2:3", message)]


def test_an_unknown_stage_lists_what_there_is(build: Compile) -> None:
    with pytest.raises(UsageError, match='there is no stage "prd"') as caught:
        build(stage="prd", stages__prod="variables: {}\n")
    assert caught.value.hint == 'did you mean "prod"?'


def test_a_broken_stage_file_matters_only_to_who_asks(build: Compile, write: Write) -> None:
    files = {"stages__prod": "a: [", "stages__qa": "variables: {}\n"}
    config = CONFIG + "stages: {promote: {qa: [prod]}}\n"
    assert build(config, stage="qa", **files).snapshot.stage == "qa"
    assert errors(build, config, stage="prod", **files)[0][0].startswith("stages/prod.yaml:")


def test_a_declared_stage_needs_a_file(build: Compile) -> None:
    found = errors(build, CONFIG + "stages: {promote: {qa: [prod]}}\n", stages__qa="{}\n")
    assert found == [("apigw.yaml:8:19", 'stage "prod" has no file')]


def test_stages_are_in_the_order_of_promotion(write: Write) -> None:
    config = CONFIG + "stages: {promote: {qa: [staging, prod], staging: [prod]}}\n"
    made = write(config, stages__prod="{}\n", stages__qa="{}\n", stages__staging="{}\n", stages__aaa="{}\n")
    assert project.load(made).stage_names == ("qa", "staging", "prod", "aaa")


def test_every_file_that_took_part_is_watched(build: Compile) -> None:
    spec = SPEC.replace("{description: ok}}}\n    post", '{$ref: "parts/r.yaml#/ok"}}}\n    post')
    files = build(CONFIG, spec, stages__qa="{}\n", parts__r="ok: {description: fine}\n").files
    assert {str(file) for file in files} == {"apigw.yaml", "shop.yaml", "parts/r.yaml", "stages/qa.yaml"}


def test_a_bare_specification_is_a_project(write: Write) -> None:
    write(spec=SECURED)
    compiled = compiler.compile_project(project.from_spec(Path("shop.yaml")), None, REGISTRY)
    assert {type(r.integration) for r in compiled.snapshot.routes} == {model.MockIntegration}
    assert all(r.policies == {} for r in compiled.snapshot.routes)


def test_an_upstream_with_nothing_but_defaults_has_the_bytes_that_it_always_had(build: Compile) -> None:
    """Or the digest of every release would change with a new key."""
    written = CONFIG.replace(
        '["http://127.0.0.1:9001"]', '["http://127.0.0.1:9001"], retries: {on: [closed, connect]}, timeout: {}'
    )
    found = msgspec.json.decode(msgspec.json.encode(build(written).snapshot.upstreams["pets"]))
    assert found.pop("tls")
    assert found == {
        "name": "pets",
        "targets": ["http://127.0.0.1:9001"],
        "balance": "round_robin",
        "timeout": {"connect": 1.0, "first_byte": 15.0, "total": 60.0},
        "retries": {"attempts": 2, "budget": 0.2},
    }
