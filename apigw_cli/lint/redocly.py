"""Redocly's names of rules that apigw has under another name: for its ignore file."""

from __future__ import annotations

OURS: dict[str, tuple[str, ...]] = {
    "struct": ("oas3-schema", "oas2-schema"),
    "spec": ("oas3-schema", "oas2-schema"),
    "no-unresolved-refs": ("invalid-ref",),
    "no-unused-components": ("oas3-unused-component", "oas2-unused-definition"),
    "no-ambiguous-paths": ("gateway-ambiguous-paths", "gateway-overlapping-paths"),
    "no-identical-paths": ("gateway-ambiguous-paths", "path-params"),
    "path-parameters-defined": ("path-params",),
    "operation-operationId-url-safe": ("operation-operationId-valid-in-url",),
    "operation-parameters-unique": ("operation-parameters",),
    "operation-2xx-response": ("operation-success-response",),
    "no-path-trailing-slash": ("path-keys-no-trailing-slash",),
    "path-declaration-must-exist": ("path-declarations-must-exist",),
    "tags-alphabetical": ("openapi-tags-alphabetical",),
    "no-duplicated-tag-names": ("openapi-tags-uniqueness",),
    "no-server-example.com": ("oas3-server-not-example.com", "oas2-host-not-example"),
    "no-server-trailing-slash": ("oas3-server-trailing-slash", "oas2-host-trailing-slash"),
    "no-empty-servers": ("oas3-api-servers", "oas2-api-host"),
    "no-undefined-server-variable": ("oas3-server-variables",),
    "no-server-variables-empty-enum": ("oas3-server-variables",),
    "no-enum-type-mismatch": ("typed-enum",),
    "no-example-value-and-externalValue": ("oas3-examples-value-or-externalValue",),
    "no-invalid-schema-examples": ("oas3-valid-schema-example", "oas2-valid-schema-example"),
    "no-invalid-parameter-examples": ("oas3-valid-media-example",),
    "no-invalid-media-type-examples": ("oas3-valid-media-example", "oas2-valid-media-example"),
    "parameter-description": ("oas3-parameter-description", "oas2-parameter-description"),
    "security-defined": ("oas3-operation-security-defined", "oas2-operation-security-defined"),
    "info-license-url": ("license-url",),
}
