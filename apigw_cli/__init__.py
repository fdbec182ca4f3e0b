"""apigw: OpenAPI in, a gateway you can lint, run, measure, prove and promote out."""

__version__ = "0.1.0"
