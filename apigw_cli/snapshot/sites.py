"""A site's routes: as of any API, out of a specification, which is made here since a folder has none."""

from __future__ import annotations

from typing import Any

from apigw_cli.config.model import SiteConfig
from apigw_cli.openapi.document import Document
from apigw_cli.snapshot.model import StaticIntegration

KIND = "site"
_PREFIX = "site:"


def specification(name: str, site: SiteConfig) -> Document:
    """Two or three paths: of the site, below it, and without its last slash. Operations are called after the site."""

    def path(operation: str, about: str) -> dict[str, Any]:
        answers = {"200": {"description": "The file."}, "404": {"description": "There is no such file."}}
        return {"get": {"operationId": f"{name}_{operation}", "summary": about, "responses": answers}}

    paths = {"/": path("home", "The site's first page"), "/{file+}": path("file", "A file of the site")}
    if base_path(site):
        paths[""] = path("entry", "Leads to the site's first page")
    data = {"openapi": "3.1.0", "info": {"title": f"Site {name}", "version": "1"}, "paths": paths}
    label = _PREFIX + name
    return Document(label, label, None, data)


def is_made(spec: str) -> bool:
    """Whether the specification of that name was made here: there is no file of that name."""
    return spec.startswith(_PREFIX)


def base_path(site: SiteConfig) -> str:
    return site.base_path.rstrip("/")


def integration(site: SiteConfig) -> StaticIntegration:
    return StaticIntegration(
        site.folder.rstrip("/") or "/",
        base_path(site),
        site.index,
        site.fallback or "",
        site.not_found or "",
        tuple(site.cache_control.items()),
    )
