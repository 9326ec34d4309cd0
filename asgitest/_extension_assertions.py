"""Assertions about what a response carries by extensions of ASGI."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ._expectations import check_expectation, describe_expectation, matches_text
from ._failing import TestCaseMixin, fail_exchange
from ._response_assertions import find_header_problem
from ._response_content import text_pairs

# unittest leaves the frames of modules that say this out of a failure's traceback.
__unittest = True


class ExtensionAssertions(TestCaseMixin):
    """Assertions about what a response carries by extensions of ASGI."""

    def assertTemplateUsed(self, response: Any, template_name: str, msg: Any = None) -> None:
        """Fail unless a response was made with a template.

        The application has to tell of it by ``http.response.debug``, as Starlette does.

        :param response: a :class:`requests.Response`
        :param template_name: name of the template
        :param msg: what to say beside it
        """
        names = _template_names(getattr(response, "template", None))
        if template_name not in names:
            came = f"it was {', '.join(names)}" if names else "the application told of none"
            problem = f"expected the template {template_name} to be used, but {came}"
            fail_exchange(self, msg, problem, response)

    def assertTrailer(self, response: Any, name: str, value: Any = ..., msg: Any = None) -> None:
        """Fail unless a response has a trailer, with the expected value if one is given.

        :param response: a :class:`requests.Response`; one that is streamed is read to its end
        :param name: name of the trailer, in any case
        :param value: as :meth:`assertHeader` takes it
        :param msg: what to say beside it
        """
        # They come behind the body.
        _ = response.content
        pairs = text_pairs(getattr(response, "trailers", []))
        problem = find_header_problem(pairs, name, value, "trailer")
        if problem:
            fail_exchange(self, msg, problem, response)

    def assertEarlyHints(self, response: Any, links: Iterable[Any], msg: Any = None) -> None:
        """Fail unless the early hints of a response have the expected links.

        :param response: a :class:`requests.Response`
        :param links: each link as a ``str``, or a compiled pattern that has to be found in it; all
            of them, in their order
        :param msg: what to say beside it
        """
        expected = list(links)
        for link in expected:
            check_expectation(link, "a link")
        came = [link.decode("latin-1") for link in getattr(response, "early_hints", [])]
        if len(came) != len(expected) or not all(map(matches_text, came, expected)):
            wanted = ", ".join(map(describe_expectation, expected)) or "no links"
            sent = ", ".join(map(repr, came)) or "there are none"
            problem = f"expected early hints with {wanted}, but they are: {sent}"
            fail_exchange(self, msg, problem, response)


def _template_names(template: Any) -> list[str]:
    if template is None:
        return []
    if isinstance(template, (list, tuple)):
        return [name for one in template for name in _template_names(one)]
    return [str(getattr(template, "name", template))]
