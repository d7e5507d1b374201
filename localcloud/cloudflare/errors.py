"""The refusals of Cloudflare's API as exceptions: status, code and wording.

Codes and wording follow https://developers.cloudflare.com/fundamentals/api/troubleshooting/,
https://developers.cloudflare.com/dns/manage-dns-records/reference/ and answers users pasted in
public issue threads. A client should decide on status and code, never on the wording.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from localcloud.cloudflare.jsonvalue import JsonObject

SAME_NAME_HELP = (
    "https://developers.cloudflare.com/dns/manage-dns-records/troubleshooting/"
    "records-with-same-name/"
)


class ApiError(Exception):
    """A refusal as the API words it. ``chain`` is its ``error_chain``, the causes beneath it."""

    def __init__(
        self,
        status: int,
        code: int,
        message: str,
        *,
        chain: Sequence[tuple[int, str]] = (),
        retry_after: int | None = None,
    ) -> None:
        """Say what the answer says; ``retry_after`` becomes the header of that name."""
        super().__init__(f"{message} ({code})")
        self.status = int(status)
        self.code = code
        self.message = message
        self.chain = tuple(chain)
        self.retry_after = retry_after

    def as_json(self) -> JsonObject:
        """Return the item of the envelope's ``errors``."""
        if not self.chain:
            return {"code": self.code, "message": self.message}
        return {
            "code": self.code,
            "message": self.message,
            "error_chain": [{"code": code, "message": text} for code, text in self.chain],
        }


def _refused(code: int, message: str) -> ApiError:
    return ApiError(HTTPStatus.BAD_REQUEST, code, message)


# Credentials. https://developers.cloudflare.com/fundamentals/api/troubleshooting/


def malformed_authorization() -> ApiError:
    """Refuse an Authorization header that is no ``Bearer <token>``, before looking it up."""
    chain = [(6111, "Invalid format for Authorization header")]
    return ApiError(HTTPStatus.BAD_REQUEST, 6003, "Invalid request headers", chain=chain)


def malformed_auth_key() -> ApiError:
    """Refuse an X-Auth-Key header that is not a global API key."""
    chain = [(6103, "Invalid format for X-Auth-Key header")]
    return ApiError(HTTPStatus.BAD_REQUEST, 6003, "Invalid request headers", chain=chain)


def missing_credentials() -> ApiError:
    """Refuse a call without any credential header."""
    return _refused(9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers")


def missing_authorization() -> ApiError:
    """Refuse the same where only a token can be meant: ``/user/tokens/verify``."""
    return _refused(1001, 'Missing "Authorization" header')


def unknown_auth_key() -> ApiError:
    """Refuse a global API key that is unknown, or not of this e-mail address."""
    return ApiError(HTTPStatus.FORBIDDEN, 9103, "Unknown X-Auth-Key or X-Auth-Email")


def invalid_access_token() -> ApiError:
    """Refuse a token nobody knows, on zone endpoints."""
    return ApiError(HTTPStatus.FORBIDDEN, 9109, "Invalid access token")


def unauthenticated() -> ApiError:
    """Refuse a token nobody knows, on DNS and account endpoints."""
    return ApiError(HTTPStatus.UNAUTHORIZED, 10000, "Authentication error")


def unauthorised() -> ApiError:
    """Refuse a token without the permission or the zone, on DNS endpoints: also 10000."""
    return ApiError(HTTPStatus.FORBIDDEN, 10000, "Authentication error")


def no_access() -> ApiError:
    """Refuse a token without the permission or the zone, on zone and settings endpoints."""
    return ApiError(HTTPStatus.FORBIDDEN, 9109, "Unauthorized to access requested resource")


def may_not_list_zones(token_id: str) -> ApiError:
    """Refuse to list zones without Zone Read: the one error whose code is 0."""
    message = (
        f"Actor 'com.cloudflare.api.token.{token_id}' requires permission "
        "'com.cloudflare.api.account.zone.list' to list zones, insufficient permissions"
    )
    return ApiError(HTTPStatus.FORBIDDEN, 0, message)


def wrong_location(address: str) -> ApiError:
    """Refuse a token that is limited to client addresses, used from another one."""
    message = f"Cannot use the access token from location: {address}"
    return ApiError(HTTPStatus.FORBIDDEN, 9109, message)


def too_many_auth_failures() -> ApiError:
    """Refuse even a right token for a while, after many refused calls."""
    message = "Max auth failures reached, please check your Authorization header."
    return ApiError(HTTPStatus.FORBIDDEN, 9109, message)


def invalid_api_token() -> ApiError:
    """Refuse to verify a token that is not of the kind this endpoint knows."""
    return ApiError(HTTPStatus.UNAUTHORIZED, 1000, "Invalid API Token")


# Routing and bodies


def no_such_object(path: str) -> ApiError:
    """Refuse an id that is not 32 hexadecimal digits: it leads nowhere."""
    message = f"Could not route to {path}, perhaps your object identifier is invalid?"
    return ApiError(HTTPStatus.NOT_FOUND, 7003, message)


def no_such_route() -> ApiError:
    """Refuse a path that the API (or the part of it that is here) does not have."""
    return ApiError(HTTPStatus.NOT_FOUND, 7000, "No route for that URI")


def method_not_allowed() -> ApiError:
    """Refuse a method that a path does not take."""
    return ApiError(
        HTTPStatus.METHOD_NOT_ALLOWED,
        10405,
        "Method not allowed for this authentication scheme",
    )


def malformed_json() -> ApiError:
    """Refuse a body that is not valid JSON."""
    return _refused(6007, "Malformed JSON in request body")


def wrong_content_type() -> ApiError:
    """Refuse a body that does not say it is JSON."""
    return _refused(9207, "Content-type must be application/json.")


def invalid_body(why: str) -> ApiError:
    """Refuse JSON that is not of the shape this endpoint takes."""
    return _refused(9207, f"Request body is invalid. {why}")


def invalid_query(why: str) -> ApiError:
    """Refuse a list parameter outside its range."""
    return _refused(1004, f"Request query is invalid. {why}")


def tld_not_allowed() -> ApiError:
    """Refuse the free top-level domains, which the API does not serve."""
    message = (
        "You cannot use this API for domains with a .cf, .ga, .gq, .ml, or .tk TLD "
        "(top-level domain). To configure the DNS settings for this domain, use the "
        "Cloudflare Dashboard."
    )
    return ApiError(HTTPStatus.FORBIDDEN, 1038, message)


# Records. https://developers.cloudflare.com/dns/manage-dns-records/


def invalid_name() -> ApiError:
    """Refuse a name DNS cannot carry."""
    return _refused(9000, "DNS name is invalid.")


def invalid_type() -> ApiError:
    """Refuse a record type that Cloudflare does not have."""
    return _refused(9001, "DNS record type is invalid.")


def proxied_target_refused(address: str) -> ApiError:
    """Refuse to proxy an address that is private or otherwise no origin."""
    return _refused(9003, f"Target {address} is not allowed for a proxied record.")


def not_proxiable() -> ApiError:
    """Refuse to proxy a record other than A, AAAA or CNAME."""
    return _refused(9004, "This kind of record cannot be proxied.")


def invalid_ipv4() -> ApiError:
    """Refuse an A record without a dotted IPv4 address."""
    return _refused(9005, "Content for A record must be a valid IPv4 address.")


def invalid_ipv6() -> ApiError:
    """Refuse an AAAA record without an IPv6 address."""
    return _refused(9006, "Content for AAAA record must be a valid IPv6 address.")


def invalid_content(record_type: str) -> ApiError:
    """Refuse content that this type cannot hold."""
    return _refused(9007, f"Content for {record_type} record is invalid.")


def content_too_long() -> ApiError:
    """Refuse more than 4096 bytes in one record."""
    message = "Record content exceeds the allowed length of 4096 wire format bytes."
    return _refused(9015, message)


def invalid_ttl(minimum: int, maximum: int) -> ApiError:
    """Refuse a ttl that is neither 1 nor in the plan's range."""
    message = f"Invalid TTL. Must be between {minimum} and {maximum} seconds, or 1 for automatic."
    return _refused(9021, message)


def too_many_tags(count: int, quota: int) -> ApiError:
    """Refuse more tags than the plan has; the Free plan has none."""
    return _refused(9300, f"DNS record has {count} tags, exceeding the quota of {quota}.")


def invalid_tag() -> ApiError:
    """Refuse a tag that is no ``name:value``."""
    return _refused(9301, "DNS record has an invalid tag.")


def comment_too_long(limit: int) -> ApiError:
    """Refuse a comment beyond the plan's length."""
    message = f"DNS record comment exceeds the maximum length of {limit} characters."
    return _refused(9313, message)


def invalid_comment() -> ApiError:
    """Refuse a comment of more than one line."""
    return _refused(9314, "DNS record comment contains invalid characters.")


def type_is_fixed() -> ApiError:
    """Refuse to change a record's type in place, which ended on 2026-06-30."""
    return _refused(9040, "DNS record type cannot be changed. Delete and create it instead.")


def record_not_found() -> ApiError:
    """Refuse an id that no record of the zone has."""
    return ApiError(HTTPStatus.NOT_FOUND, 81044, "Record does not exist.")


def quota_exceeded() -> ApiError:
    """Refuse one record more than the plan allows."""
    return _refused(81045, "Record quota exceeded.")


def name_taken_for_cname() -> ApiError:
    """Refuse a CNAME beside an A, AAAA or another CNAME."""
    return _refused(81053, "An A, AAAA, or CNAME record with that host already exists.")


def cname_in_the_way() -> ApiError:
    """Refuse an A or AAAA beside a CNAME."""
    message = (
        "A CNAME record with that host already exists. "
        f"For more details, refer to <{SAME_NAME_HELP}>."
    )
    return _refused(81054, message)


def ns_in_the_way() -> ApiError:
    """Refuse anything else beside a delegated name's NS records."""
    return _refused(81056, "NS records with that host already exist.")


def identical_record() -> ApiError:
    """Refuse a second record of the same type, name and content."""
    return _refused(81058, "An identical record already exists.")


def combined_content_too_long() -> ApiError:
    """Refuse more than 8192 characters in all records of one name and type."""
    message = "The combined content of the records of this name and type exceeds 8192 characters."
    return _refused(83011, message)


# Batches. https://developers.cloudflare.com/dns/manage-dns-records/how-to/batch-record-changes/


def batch_too_large(limit: int) -> ApiError:
    """Refuse more operations in one call than the plan allows."""
    return _refused(9208, f"Batch exceeds the allowed number of {limit} operations.")


# Origin CA. https://developers.cloudflare.com/ssl/origin-configuration/origin-ca/troubleshooting/


def hostname_not_validated(hostname: str) -> ApiError:
    """Refuse to certify a name of a zone that is not active, or that the token does not reach."""
    message = (
        f"Failed to validate requested hostname {hostname}: This zone is either not part of your "
        "account, or you do not have access to it. Please contact support if using a multi-user "
        "organization."
    )
    return _refused(1010, message)


def certificate_not_found() -> ApiError:
    """Refuse a serial number that no certificate has; Cloudflare's own code is not known."""
    return ApiError(HTTPStatus.NOT_FOUND, 1101, "Certificate not found.")


# Quota of calls. https://developers.cloudflare.com/fundamentals/api/reference/limits/


def throttled(retry_after: int | None) -> ApiError:
    """Refuse a call over the quota, as every one until the block ends."""
    return ApiError(
        HTTPStatus.TOO_MANY_REQUESTS,
        971,
        "Please wait and consider throttling your request speed",
        retry_after=retry_after,
    )
