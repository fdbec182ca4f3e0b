"""A fault and its cure for every rule, as `--explain` shows them. Tests lint each: the first is found, the second not.

Fragments of a document: what is not shown is fine. Those of rules that look at a configuration or a file as a whole are
shown and not linted.
"""

from __future__ import annotations

_OP = "paths: {/pets: {get: {%s}}}"
_SCHEMA = "components: {schemas: {Pet: {%s}}}"
_SCHEME = "components: {securitySchemes: {key: {%s}}}"


def _op(bad: str, good: str) -> tuple[str, str]:
    return _OP % bad, _OP % good


def _schema(bad: str, good: str) -> tuple[str, str]:
    return _SCHEMA % bad, _SCHEMA % good


def _scheme(bad: str, good: str) -> tuple[str, str]:
    return _SCHEME % bad, _SCHEME % good


def _paths(bad: str, good: str, operation: str = "get: {}") -> tuple[str, str]:
    return f"paths: {{{bad}: {{{operation}}}}}", f"paths: {{{good}: {{{operation}}}}}"


_V31 = "openapi: 3.1.0\n"
_V2 = "swagger: '2.0'\n"
_PART = _paths("'/pets/pet-{id}'", "'/pets/{id}'")
_EXTERNAL = ("x-a: {$ref: 'pets.yaml#/Pet'}", "x-a: {$ref: '#/components/schemas/Pet'}")
_VERSION_2 = (_V2 + "paths: {}", "openapi: 3.0.3\npaths: {}")
_VERSION_31 = (_V31 + "paths: {}", "openapi: 3.0.3\npaths: {}")
_TRACE = ("paths: {/pets: {trace: {}}}", "paths: {/pets: {get: {}}}")
_BODY = _op("parameters: [{name: n, in: query, schema: {maximum: 9}}]", "")
_JWT = _scheme("type: http, scheme: bearer", "type: http, x-amazon-apigateway-authorizer: {type: jwt}")
_OTHER = "key: {type: apiKey, in: header, name: k}"

EXAMPLES: dict[str, tuple[str, str]] = {
    # document
    "info-contact": ("info: {title: Pets}", "info: {title: Pets, contact: {email: pets@example.org}}"),
    "info-description": ("info: {title: Pets}", "info: {title: Pets, description: All about pets.}"),
    "info-license": ("info: {title: Pets}", "info: {title: Pets, license: {name: MIT}}"),
    "license-url": ("info: {license: {name: MIT}}", "info: {license: {name: MIT, url: 'https://mit-license.org'}}"),
    "contact-properties": (
        "info: {contact: {name: Ann}}",
        "info: {contact: {name: Ann, url: 'https://example.org', email: ann@example.org}}",
    ),
    "openapi-tags": ("tags: []", "tags: [{name: pets}]"),
    "openapi-tags-uniqueness": ("tags: [{name: pets}, {name: pets}]", "tags: [{name: pets}, {name: shops}]"),
    "openapi-tags-alphabetical": ("tags: [{name: shops}, {name: pets}]", "tags: [{name: pets}, {name: shops}]"),
    "tag-description": ("tags: [{name: pets}]", "tags: [{name: pets, description: Of all kinds.}]"),
    "oas3-api-servers": ("info: {title: Pets}", "servers: [{url: /v1}]"),
    "oas3-server-trailing-slash": ("servers: [{url: /v1/}]", "servers: [{url: /v1}]"),
    "oas3-server-not-example.com": (
        "servers: [{url: 'https://example.com'}]", "servers: [{url: 'https://api.petshop.org'}]",
    ),
    "oas3-server-variables": (
        "servers: [{url: 'https://a.org/{v}'}]",
        "servers: [{url: 'https://a.org/{v}', variables: {v: {default: v1}}}]",
    ),
    "oas2-api-host": (_V2 + "info: {title: Pets}", _V2 + "host: api.petshop.org"),
    "oas2-host-trailing-slash": (_V2 + "host: api.petshop.org/", _V2 + "host: api.petshop.org"),
    "oas2-host-not-example": (_V2 + "host: example.com", _V2 + "host: api.petshop.org"),
    "oas2-api-schemes": (_V2 + "info: {title: Pets}", _V2 + "schemes: [https]"),
    # paths and operations
    "path-keys-no-trailing-slash": _paths("/pets/", "/pets"),
    "path-not-include-query": _paths("'/pets?sort=name'", "/pets"),
    "path-declarations-must-exist": _paths("'/pets/{}'", "'/pets/{id}'"),
    "path-params": (
        "paths: {'/pets/{id}': {get: {}}}",
        "paths: {'/pets/{id}': {get: {parameters: [{name: id, in: path, required: true}]}}}",
    ),
    "operation-operationId": _op("summary: List pets", "operationId: listPets"),
    "operation-operationId-unique": (
        "paths: {/pets: {get: {operationId: pets}, post: {operationId: pets}}}",
        "paths: {/pets: {get: {operationId: listPets}, post: {operationId: createPet}}}",
    ),
    "operation-operationId-valid-in-url": _op("operationId: list pets", "operationId: listPets"),
    "operation-description": _op("operationId: listPets", "description: All pets, by name."),
    "operation-tags": _op("operationId: listPets", "tags: [pets]"),
    "operation-singular-tag": _op("tags: [pets, shops]", "tags: [pets]"),
    "operation-tag-defined": ("paths: {/p: {get: {tags: [pets]}}}",
                              "tags: [{name: pets}]\npaths: {/p: {get: {tags: [pets]}}}"),
    "operation-success-response": _op("responses: {'404': {}}", "responses: {'200': {}, '404': {}}"),
    "operation-parameters": _op(
        "parameters: [{name: n, in: query}, {name: n, in: query}]", "parameters: [{name: n, in: query}]"
    ),
    "oas2-parameter-description": (
        _V2 + _OP % "parameters: [{name: n, in: query}]",
        _V2 + _OP % "parameters: [{name: n, in: query, description: How many.}]",
    ),
    "oas3-parameter-description": _op(
        "parameters: [{name: n, in: query}]", "parameters: [{name: n, in: query, description: How many.}]"
    ),
    # schemas
    "typed-enum": _schema("type: string, enum: [cat, 7]", "type: string, enum: [cat, dog]"),
    "duplicated-entry-in-enum": _schema("enum: [cat, cat]", "enum: [cat, dog]"),
    "array-items": _schema("type: array", "type: array, items: {type: string}"),
    "no-$ref-siblings": _schema("$ref: '#/x', description: A pet", "$ref: '#/x'"),
    "no-eval-in-markdown": ("info: {description: 'eval(1)'}", "info: {description: All about pets.}"),
    "no-script-tags-in-markdown": ("info: {description: '<script>'}", "info: {description: All about pets.}"),
    "oas3-unused-component": (
        _SCHEMA % "", "paths: {/p: {get: {x: {$ref: '#/components/schemas/Pet'}}}}\n" + _SCHEMA % "",
    ),
    "oas2-unused-definition": (
        _V2 + "definitions: {Pet: {}}", _V2 + "paths: {/p: {get: {x: {$ref: '#/definitions/Pet'}}}}\n"
        "definitions: {Pet: {}}",
    ),
    # security
    "oas3-operation-security-defined": (
        "security: [{key: []}]", f"security: [{{key: []}}]\ncomponents: {{securitySchemes: {{{_OTHER}}}}}",
    ),
    "oas2-operation-security-defined": (
        _V2 + "security: [{key: []}]", f"{_V2}security: [{{key: []}}]\nsecurityDefinitions: {{{_OTHER}}}",
    ),
    "gateway-unsecured-beside-secured": (
        "paths: {/pets: {get: {security: [{key: []}]}, post: {}}}",
        "paths: {/pets: {get: {security: [{key: []}]}, post: {security: []}}}   # open on purpose",
    ),
    # gateway
    "gateway-ambiguous-paths": (
        "paths: {'/pets/{id}': {get: {}}, '/pets/{name}': {get: {}}}",
        "paths: {'/pets/{id}': {get: {}}, '/pets/by-name/{name}': {get: {}}}",
    ),
    "gateway-overlapping-paths": (
        "paths: {'/{kind}/new': {get: {}}, '/pets/{id}': {get: {}}}",
        "paths: {/pets/new: {get: {}}, '/pets/{id}': {get: {}}}",
    ),
    "gateway-greedy-paths": _paths("'/files/{name+}'", "'/files/{name}'"),
    "response-codes-quoted": _op("responses: {200: {}}", "responses: {'200': {}}"),
    # targets
    "aws-rest-openapi-version": _VERSION_31,
    "aws-rest-whole-segments": _PART,
    "aws-rest-path-characters": _paths("/pets!", "/pets"),
    "aws-rest-methods": _TRACE,
    "aws-rest-external-references": _EXTERNAL,
    "aws-rest-root-security": (
        "security: [{key: []}]\npaths: {/pets: {get: {}}}", "paths: {/pets: {get: {security: [{key: []}]}}}",
    ),
    "aws-rest-security-type": _JWT,
    "aws-rest-model-names": ("components: {schemas: {new-pet: {}}}", "components: {schemas: {NewPet: {}}}"),
    "aws-rest-parameter-attributes": _op(
        "parameters: [{name: n, in: query, style: form}]", "parameters: [{name: n, in: query}]"
    ),
    "aws-rest-schema-keywords": _schema("readOnly: true", "type: string"),
    "aws-rest-item-counts": _schema("type: array, maxItems: 9", "type: array"),
    "aws-rest-number-formats": _schema("type: integer, format: int64", "type: integer, maximum: 1000"),
    "aws-rest-response-references": (
        _V2 + _OP % "responses: {'500': {$ref: '#/responses/Error'}}",
        _V2 + _OP % "responses: {'500': {description: Our fault.}}",
    ),
    "aws-http-openapi-version": _VERSION_31,
    "aws-http-whole-segments": _PART,
    "aws-http-methods": _TRACE,
    "aws-http-external-references": _EXTERNAL,
    "aws-http-security-type": _JWT,
    "aws-http-validation": _BODY,
    "kong-openapi-version": _VERSION_2,
    "kong-security-type": _scheme("type: oauth2", "type: openIdConnect"),
    "kong-security-alternatives": ("security: [{key: []}, {token: []}]", "security: [{token: []}]"),
    "kong-servers": (
        "servers: [{url: 'https://a.org/v1'}, {url: 'https://b.org/v2'}]",
        "servers: [{url: 'https://a.org/v1'}, {url: 'https://b.org/v1'}]",
    ),
    "kong-greedy-paths": _paths("'/files/{name+}'", "'/files/{name}'"),
    "nginx-security-type": _scheme("type: http, scheme: bearer", "type: apiKey"),
    "nginx-methods": _TRACE,
    "nginx-validation": _BODY,
    "envoy-whole-segments": _PART,
    "envoy-variables": _paths("'/pets/{pet-id}'", "'/pets/{petId}'"),
    "envoy-path-characters": _paths("/pets=all", "/pets"),
    "envoy-security-type": _scheme("type: http, scheme: digest", "type: http, scheme: bearer"),
    "envoy-validation": _BODY,
    "google-whole-segments": _PART,
    "google-external-references": _EXTERNAL,
    "google-key-alternatives": (
        f"security: [{{key: []}}, {{}}]\ncomponents: {{securitySchemes: {{{_OTHER}}}}}",
        f"security: [{{key: []}}]\ncomponents: {{securitySchemes: {{{_OTHER}}}}}",
    ),
    "google-host-port": (_V2 + "host: 'pets.org:8080'", _V2 + "host: pets.org"),
    "google-validation": _BODY,
    "azure-openapi-version": ("openapi: 3.2.0\npaths: {}", "openapi: 3.1.0\npaths: {}"),
    "azure-external-references": _EXTERNAL,
    "azure-parameter-names": _op(
        "parameters: [{name: id, in: path, required: true}, {name: ID, in: query, required: true}]",
        "parameters: [{name: id, in: path, required: true}, {name: ID, in: query}]",
    ),
    "azure-request-bodies": _op("requestBody: {}", "operationId: listPets"),
    "azure-recursive-schemas": _schema(
        "properties: {friend: {$ref: '#/components/schemas/Pet'}}", "properties: {friend: {type: object}}"
    ),
    "azure-security": (_SCHEME % "type: apiKey", "components: {}"),
    "azure-servers": ("servers: [{url: 'https://a.org'}, {url: 'https://b.org'}]", "servers: [{url: 'https://a.org'}]"),
    "tyk-openapi-version": _VERSION_31,
    "tyk-external-references": _EXTERNAL,
    "tyk-security-type": _scheme("type: mutualTLS", "type: apiKey"),
    "tyk-security-alternatives": ("security: [{key: []}, {token: []}]", "security: [{token: []}]"),
    "tyk-validation": _op("requestBody: {content: {text/csv: {}}}", "requestBody: {content: {application/json: {}}}"),
    "traefik-security-type": _scheme("type: apiKey", "type: http, scheme: basic"),
    "traefik-shadowed-paths": (
        "paths: {/pets/mine: {get: {}}, '/pets/{id}': {get: {}}}",
        "paths: {/my-pets: {get: {}}, '/pets/{id}': {get: {}}}",
    ),
    "traefik-validation": _BODY,
}  # fmt: skip

# Shown, and tested elsewhere: they are about a configuration, a command line or a whole file.
SHOWN: dict[str, tuple[str, str]] = {
    "parser": ("paths: {}\npaths: {}", "paths: {}"),
    "unrecognized-format": ("openapi: 4.0.0", "openapi: 3.1.0"),
    "configuration": ("upstream: petz", "upstream: pets"),
    "invalid-ref": ("$ref: '#/components/schemas/Petz'", "$ref: '#/components/schemas/Pet'"),
    "unused-ignore": ("x-lint-ignore: operation-tagz", "x-lint-ignore: operation-tags"),
    "oas3-schema": ("info: {titel: Pets}", "info: {title: Pets, version: 1.0.0}"),
    "oas2-schema": ("info: {titel: Pets}", "info: {title: Pets, version: 1.0.0}"),
    "oas3-valid-schema-example": _schema("type: integer, example: many", "type: integer, example: 7"),
    "oas2-valid-schema-example": ("definitions: {Pet: {type: integer, example: many}}",
                                  "definitions: {Pet: {type: integer, example: 7}}"),
    "oas3-valid-media-example": ("content: {application/json: {schema: {type: integer}, example: many}}",
                                 "content: {application/json: {schema: {type: integer}, example: 7}}"),
    "oas2-valid-media-example": ("'200': {schema: {type: integer}, examples: {application/json: many}}",
                                 "'200': {schema: {type: integer}, examples: {application/json: 7}}"),
    "oas3-examples-value-or-externalValue": ("examples: {cat: {summary: A cat}}", "examples: {cat: {value: {id: 7}}}"),
    "oas2-anyOf": ("anyOf: [{type: string}]", "type: string"),
    "oas2-oneOf": ("oneOf: [{type: string}]", "type: string"),
    "oas2-discriminator": ("discriminator: kind", "discriminator: kind\nrequired: [kind]\nproperties: {kind: {}}"),
    "oas2-operation-formData-consume-check": (
        "parameters: [{name: f, in: formData}]",
        "consumes: [multipart/form-data]\nparameters: [{name: f, in: formData}]",
    ),
    "oas3-callbacks-in-callbacks": ("callbacks: {a: {/b: {put: {callbacks: {}}}}}", "callbacks: {a: {/b: {put: {}}}}"),
    "oas3_1-servers-in-webhook": ("webhooks: {a: {post: {servers: []}}}", "webhooks: {a: {post: {}}}"),
    "oas3_1-callbacks-in-webhook": ("webhooks: {a: {post: {callbacks: {}}}}", "webhooks: {a: {post: {}}}"),
    "oas3_2-no-deprecated-xml-attribute": ("xml: {attribute: true}", "xml: {nodeType: attribute}"),
    "gateway-limit-undocumented": ("responses: {'200': {}}", "responses: {'200': {}, '429': {}}"),
    "gateway-body-unbounded": ("listen: {}", "listen: {max_body: 10485760}"),
    "gateway-no-client-certificates": (
        "listen: {tls: {certificates: [{cert: {file: a}, key: {file: b}}]}}",
        "listen: {tls: {certificates: [{cert: {file: a}, key: {file: b}}], client_ca: {file: partners.pem}}}",
    ),
    "gateway-site-files": ("sites: {shop: {folder: nowhere}}", "sites: {shop: {folder: site}}"),
    "gateway-foreign-template": (
        "request: {headers: {set: {X-Tenant: $http_x_tenant}}}",
        "request: {headers: {set: {X-Tenant: '${request.header.X-Tenant}'}}}",
    ),
    "gateway-security-off": ("security: 'off'", "security: spec"),
    "aws-rest-timeout": ("timeout: {total: 60s}", "timeout: {total: 29s}"),
    "aws-http-timeout": ("timeout: {total: 60s}", "timeout: {total: 30s}"),
    "aws-rest-payload": ("listen: {max_body: 20000000}", "listen: {max_body: 10000000}"),
    "aws-http-payload": ("listen: {max_body: 20000000}", "listen: {max_body: 10000000}"),
}  # fmt: skip
