"""The content of the ``tls`` extension, as a test gives it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_MANDATORY = ("server_cert", "tls_version", "cipher_suite")
# Both are of two octets on the wire.
_LARGEST = 0xFFFF


def check_tls(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of the ``tls`` extension if an application can rely on it.

    :param content: what the test gives; keys that are not known pass
    :return: a copy, in which ``client_cert_chain`` is a list
    :raises ValueError: if a mandatory key is missing (TLS-02), a chain comes without a name or an
        error is empty (TLS-03)
    :raises TypeError: if a value is of another type than the text says
    """
    for key in _MANDATORY:
        if key not in content:
            raise ValueError(
                f"extensions['tls'] must have the key {key!r}; its value may be None if it is not "
                f"known [TLS-02]"
            )
    checked = dict(content)
    _check_text("server_cert", checked["server_cert"], "TLS-02")
    for key in ("tls_version", "cipher_suite"):
        _check_number(key, checked[key])
    for key in ("client_cert_name", "client_cert_error"):
        _check_text(key, checked.get(key), "TLS-03")
    if checked.get("client_cert_error") == "":
        raise ValueError(
            "extensions['tls']: client_cert_error must not be empty; None says that there was no "
            "error [TLS-03]"
        )
    if "client_cert_chain" in checked:
        checked["client_cert_chain"] = _read_chain(checked["client_cert_chain"])
        if checked["client_cert_chain"] and checked.get("client_cert_name") is None:
            raise ValueError(
                "extensions['tls']: client_cert_name must be given with a client_cert_chain, as "
                "the name that its first certificate is for [TLS-03]"
            )
    return checked


def _check_text(key: str, value: Any, rule: str) -> None:
    if value is not None and not isinstance(value, str):
        raise _wrong_type(key, "str or None", value, rule)


def _check_number(key: str, value: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong_type(key, "int or None", value, "TLS-02")
    if not 0 <= value <= _LARGEST:
        raise ValueError(
            f"extensions['tls']: {key} must be a number of 16 bits, not {value!r} [TLS-02]"
        )


def _read_chain(chain: Any) -> list[str]:
    if isinstance(chain, (str, bytes)) or not isinstance(chain, Iterable):
        raise _wrong_type("client_cert_chain", "an iterable of PEM str", chain, "TLS-03")
    certificates = list(chain)
    for index, certificate in enumerate(certificates):
        if not isinstance(certificate, str):
            raise _wrong_type(f"client_cert_chain[{index}]", "str", certificate, "TLS-03")
    return certificates


def _wrong_type(key: str, expected: str, value: Any, rule: str) -> TypeError:
    return TypeError(
        f"extensions['tls']: {key} must be {expected}, not {type(value).__name__}: {value!r} "
        f"[{rule}]"
    )
