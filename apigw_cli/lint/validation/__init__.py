"""JSON Schema as Spectral's users know it: Ajv's order of checks, its semantics and words.

jsonschema-rs says fast whether a value is valid; this package says what is wrong with one that is not, in the same
words and at the same place as Ajv: the first error only, and `nullable` of OpenAPI.
"""

from __future__ import annotations
