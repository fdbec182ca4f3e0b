"""The contract diff: what a change to an OpenAPI description means for the clients that exist already.

view        one operation of any version as parameters, bodies and responses;  styles  how values are written
shape       what a schema says, as values to compare;  shaper  makes it: references followed, allOf merged
absorb      the keywords of one node;  choices  alternatives that are but a list;  normal  one spelling of equal shapes
facets      two shapes, facet by facet;  objects, arrays, logic, alternatives, polymorph  the rest;  disjoint  oneOf
schemas     two schemas, deep: recursion ends because each pair is looked at once;  delta  one difference
exchange    one operation;  messages  bodies, headers, statuses;  called  callbacks and webhooks;  judge  findings
lifecycle   deprecation, sunset, stability;  security  who may call, and the wire fields of the schemes
compare     two documents;  texts  what differs for people only;  terms  a team's own levels and grace periods
rules       every id with its direction, level and reason, of rule_rows and rule_facets by the law;  table  for people
"""
