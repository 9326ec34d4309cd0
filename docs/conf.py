"""Configuration of the documentation. It builds without a network."""

from __future__ import annotations

import builtins
import importlib.metadata

project = "asgitest"
author = "the asgitest authors"
project_copyright = "2026, the asgitest authors"
version = release = importlib.metadata.version("asgitest")

extensions = ["sphinx.ext.autodoc"]
exclude_patterns = ["_build", "examples"]
templates_path: list[str] = []

html_theme = "alabaster"
html_theme_options = {
    "description": "Testing ASGI applications with unittest and requests",
    "fixed_sidebar": True,
}
html_copy_source = False

default_role = "py:obj"
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True

# Names of other libraries are not looked up (that would take a network); ours must resolve, but for
# type variables, which are no more than names.
nitpicky = True
nitpick_ignore_regex = [
    (r"py:.*", rf"({'|'.join(n for n in dir(builtins) if not n.startswith('_'))})"),
    (
        r"py:.*",
        r"(anyio|asyncio|collections|concurrent|contextlib|datetime|functools|http|json|logging|os|requests"
        r"|ssl|starlette|trio|types|typing|typing_extensions|unittest|urllib|urllib3|uvloop"
        r"|warnings)(\..*)?",
    ),
    (r"py:class", r"asgitest(\.\w+)*\.(F|T|_Client)"),
]
