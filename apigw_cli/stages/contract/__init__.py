"""The contract diff: what a change to an OpenAPI description means for the clients that exist already.

view       one operation of any version as parameters, bodies and responses
shape      what a schema says, as values to compare;  shaper  makes it: references followed, allOf merged
facets     two shapes, facet by facet;  objects  their properties;  delta  one difference
schemas    two schemas, deep: recursion ends because each pair is looked at once
exchange   parameters, bodies, responses, headers
security   who may call, and the wire fields of the schemes
compare    two documents
rules      the table: every id with its direction, level and reason
"""
