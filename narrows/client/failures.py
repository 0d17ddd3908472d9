"""What went wrong on the way to a server, in words."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from narrows.client.errors import AWAY, Phase, TimedOutError, UnreachableError
from narrows.client.limits import Limits, variable
from narrows.client.proxies import is_this_machine

_PASSING = (httpx.NetworkError, httpx.RemoteProtocolError)
"""The errors of httpx after which a repeat may succeed, beside its timeouts."""

_PHASES: dict[type[httpx.TimeoutException], tuple[Phase, str]] = {
    httpx.ConnectTimeout: ("connect", "No connection to the server at {}"),
    httpx.WriteTimeout: ("write", "The server at {} took no more of the request"),
    httpx.PoolTimeout: ("pool", "No connection to the server at {} became free"),
}


@contextmanager
def explained(url: httpx.URL, limits: Limits) -> Iterator[None]:
    """Turn errors of httpx about a call to `url` into UnreachableError or TimedOutError."""
    try:
        yield
    except httpx.TimeoutException as error:
        raise _timed_out(url, limits, error) from error
    except (httpx.RequestError, httpx.InvalidURL) as error:
        said = UnreachableError(_text(url, error))
        passing = isinstance(error, _PASSING) or _proxy_status(error) in AWAY
        said.may_pass = passing and not _certificate(error)
        raise said from error


def _timed_out(url: httpx.URL, limits: Limits, error: httpx.TimeoutException) -> TimedOutError:
    phase, text = _PHASES.get(type(error), ("answer", "The server at {} gave no answer"))
    name, seconds = str(phase), getattr(limits, phase)
    if phase == "answer":  # other for uploads, and for calls that ask the server to wait
        seconds = error.request.extensions["timeout"]["read"]
        name = "upload_answer" if seconds == limits.upload_answer else name
    said = TimedOutError(f"{text.format(url)} within {seconds:g} s ({variable(name)}).")
    said.phase, said.may_pass = phase, True
    return said


def _text(url: httpx.URL, error: httpx.RequestError | httpx.InvalidURL) -> str:
    reason = str(error) or type(error).__name__
    if certificate := _certificate(error):
        return (
            f"The server at {url} can't be trusted: {certificate}. "
            "SSL_CERT_FILE names the certificates of your own authority."
        )
    if isinstance(error, httpx.ProxyError):
        return f"The proxy does not lead to {url}: {reason}. See http_proxy and no_proxy."
    if isinstance(error, httpx.ConnectError):
        why = "" if is_this_machine(url.host) else f" ({reason}, on the way there)"
        return f"No Narrows server at {url}{why}. Start one with: narrows up"
    return f"The server at {url} gave no answer: {reason}"


def _proxy_status(error: Exception) -> int | None:
    """Return the status with which a proxy refused a tunnel; httpx has it in the text alone."""
    first = str(error).partition(" ")[0]
    return int(first) if isinstance(error, httpx.ProxyError) and first.isdecimal() else None


def _certificate(error: BaseException | None) -> str:
    """Return why a certificate was refused, if one was."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        error = error.__cause__ or error.__context__
    return ""
